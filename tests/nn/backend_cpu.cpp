#include "tests/nn/test_backend.h"

namespace qcface::test {

std::unique_ptr<nn::Backend> make_backend(int threads) { return nn::make_cpu_backend(threads); }

const std::string& no_backend_reason() {
  static const std::string none;
  return none;
}

}  // namespace qcface::test
