// The libraries that the backbone and the heads open, where this machine has them. No GPU is needed: only their versions are
// asked for.
#include <cstdio>

#include "core/error.h"
#include "nn/cuda/dynamic_library.h"
#include "tests/support/catch.h"

using namespace qcface;

TEST_CASE("libraries: cuDNN and cuBLASLt are found where the toolkit or Python's packages have them") {
  const struct {
    const char *file, *version;
    std::size_t major;
  } libraries[] = {{"libcudnn.so.9", "cudnnGetVersion", 9}, {"libcublasLt.so.13", "cublasLtGetVersion", 13}};
  int found = 0;
  for (const auto& [file, version, major] : libraries) {
    nn::cuda::DynamicLibrary library;
    try {
      library = nn::cuda::DynamicLibrary(file, "this test");
    } catch (const Error& error) {
      std::printf("%s\n", error.what());
      continue;
    }
    std::size_t (*get)() = nullptr;
    library.bind(get, version);
    std::printf("found %s %zu: %s\n", file, get(), library.path().c_str());
    REQUIRE(get() / 10000 == major);
    ++found;
  }
  std::fflush(stdout);
  if (found == 0) QCFACE_SKIP("neither cuDNN nor cuBLASLt is on this machine");
}
