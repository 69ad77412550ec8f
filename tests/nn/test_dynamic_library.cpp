// Where a library is looked for is in tests/kernels/test_library.cpp.
#include "nn/cuda/dynamic_library.h"

#include <cstdlib>
#include <fstream>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::nn::cuda;

namespace {

struct LibraryPath {
  explicit LibraryPath(const std::string& value) { ::setenv("QCFACE_LIBRARY_PATH", value.c_str(), 1); }
  ~LibraryPath() { ::unsetenv("QCFACE_LIBRARY_PATH"); }
};

}  // namespace

TEST_CASE("libraries: the error names the library, its purpose, what was tried and what to do") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "libqcface-test.so.9") << "no library";
  const LibraryPath path(folder.path().string());
  std::string message;
  try {
    const DynamicLibrary library("libqcface-test.so.9", "this test");
  } catch (const Error& error) {
    message = error.what();
  }
  for (const char* part : {"libqcface-test.so.9", "this test", "QCFACE_LIBRARY_PATH"}) {
    INFO(message << "\nshould mention " << part);
    REQUIRE(message.find(part) != std::string::npos);
  }
  REQUIRE(message.find((folder / "libqcface-test.so.9").string()) !=
          std::string::npos);  // found, but no library
}

TEST_CASE("libraries: a function that is missing is named") {
  const DynamicLibrary library("libm.so.6", "this test");
  double (*cosine)(double) = nullptr;
  library.bind(cosine, "cos");
  REQUIRE(cosine(0.0) == 1.0);
  REQUIRE_THROWS_AS(library.symbol("qcface_no_such_function"), Error);
}
