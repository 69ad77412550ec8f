// Where NVIDIA's libraries are looked for; empty files stand for them, so no GPU and no library is needed.
#include "kernels/device/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace qcface::test {
namespace {

namespace fs = std::filesystem;
using qcface::cuda::library_candidates;
using qcface::cuda::open_library;

constexpr const char* kFile = "libqcface-test.so.9";

/// A variable of the environment, put back at the end.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

fs::path put(const fs::path& file) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "no library";
  return file;
}

std::ptrdiff_t place(const fs::path& file) {
  const auto all = library_candidates(kFile);
  const auto found = std::find(all.begin(), all.end(), file);
  return found == all.end() ? -1 : found - all.begin();
}

}  // namespace

TEST_CASE("libraries: QCFACE_LIBRARY_PATH comes first, and a site-packages folder is enough", "[libraries]") {
  const TemporaryFolder folder;
  const fs::path library = put(folder / "nvidia/cudnn/lib" / kFile);
  for (const std::string& named :
       {folder.path().string(), (folder / "nvidia").string(), (folder / "nvidia/cudnn/lib").string(),
        ":/no/such/folder::" + folder.path().string()}) {
    const Variable path("QCFACE_LIBRARY_PATH", named);
    INFO(named);
    REQUIRE(place(library) == 0);
    REQUIRE(place(kFile) == 1);  // the loader's own places
  }
}

TEST_CASE("libraries: the loader's places, the toolkit, the environment, the python3 on PATH, in this order",
          "[libraries]") {
  const TemporaryFolder folder;
  const fs::path toolkit = put(folder / "cuda/targets/x86_64-linux/lib" / kFile);
  const fs::path active = put(folder / "active/lib/python3.12/site-packages/nvidia/cu13/lib" / kFile);
  const fs::path on_path = put(folder / "on path/lib/python3.11/site-packages/nvidia/cudnn/lib" / kFile);
  const fs::path debian = put(folder / "on path/local/lib/python3.11/dist-packages/nvidia/nccl/lib" / kFile);
  const fs::path without = put(folder / "without/lib/python3.11/site-packages/nvidia/cudnn/lib" / kFile);
  put(folder / "on path/lib/perl5/site-packages/nvidia/cudnn/lib" / kFile);
  put(folder / "on path/bin/python3");
  fs::create_directories(folder / "without/bin");
  const Variable own("QCFACE_LIBRARY_PATH", ""), cuda("CUDA_HOME", (folder / "cuda").string()),
      environment("VIRTUAL_ENV", (folder / "active").string()),
      path("PATH", "/no/such/folder::" + (folder / "without/bin").string() + ":" +
                       (folder / "on path/bin/").string() + ":/usr/bin");
  REQUIRE(place(kFile) == 0);
  REQUIRE(place(toolkit) == 1);
  REQUIRE(place(active) == 2);
  REQUIRE(place(on_path) == 3);
  REQUIRE(place(debian) == 4);
  REQUIRE(place(without) == -1);  // no python3 there
  REQUIRE(library_candidates(kFile).size() == 5);
}

TEST_CASE("libraries: python3 of an environment is a link; its own packages are searched", "[libraries]") {
  const TemporaryFolder folder;
  put(folder / "system/bin/python3");
  const fs::path library = put(folder / "environment/lib/python3.12/site-packages/nvidia/cudnn/lib" / kFile);
  fs::create_directories(folder / "environment/bin");
  fs::create_symlink(folder / "system/bin/python3", folder / "environment/bin/python3");
  const Variable path("PATH", (folder / "environment/bin").string());
  REQUIRE(place(library) > 0);
}

TEST_CASE("libraries: what cannot be opened is told with the reason, and the next one is tried",
          "[libraries]") {
  const TemporaryFolder folder;
  const fs::path broken = put(folder / kFile);
  const Variable path("QCFACE_LIBRARY_PATH", folder.path().string());
  const auto none = open_library(kFile, "this test", RTLD_NOW | RTLD_LOCAL);
  REQUIRE(none.handle == nullptr);
  REQUIRE(none.path.empty());
  INFO(none.error);
  REQUIRE(none.error.find(broken.string()) != std::string::npos);
  REQUIRE(none.error.find("; ") != std::string::npos);  // and the loader's own answer

  put(folder / "libm.so.6");
  const auto next = open_library("libm.so.6", "this test", RTLD_NOW | RTLD_LOCAL);
  REQUIRE(next.handle != nullptr);
  REQUIRE(next.path == "libm.so.6");
  REQUIRE(next.error.empty());
}

}  // namespace qcface::test
