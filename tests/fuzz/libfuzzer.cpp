// What libFuzzer calls, for the one target that is linked with it.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const qcface::fuzz::Reader read = qcface::fuzz::targets().at(QCFACE_FUZZ_NAME);
  qcface::fuzz::run(read, {data, size});
  return 0;
}
