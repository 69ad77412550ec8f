#include "nn/cuda/dynamic_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "core/error.h"

namespace qcface::nn::cuda {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_directory(ignored)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

class Search {
 public:
  explicit Search(std::string file) : file_(std::move(file)) {}
  void in(const fs::path& folder) {
    std::error_code ignored;
    fs::path candidate = folder / file_;
    if (fs::exists(candidate, ignored)) result.push_back(std::move(candidate));
  }
  void below_each(const fs::path& folder) {
    for (const fs::path& sub : subfolders(folder)) in(sub / "lib");
  }
  void toolkit(const fs::path& root) {
    in(root / "lib64");
    in(root / "lib");
    below_each(root / "targets");
  }
  void environment(const fs::path& root) {
    for (const fs::path& version : subfolders(root / "lib")) below_each(version / "site-packages" / "nvidia");
  }
  std::vector<fs::path> result;

 private:
  std::string file_;
};

}  // namespace

std::vector<fs::path> library_candidates(const std::string& file) {
  Search search(file);
  if (const char* own = std::getenv("QCFACE_LIBRARY_PATH")) {
    std::istringstream folders(own);
    for (std::string folder; std::getline(folders, folder, ':');) {
      if (folder.empty()) continue;
      const fs::path root(folder);
      search.in(root);
      search.below_each(root / "nvidia");
      search.below_each(root);
      search.in(root / "lib");
      search.in(root / "lib64");
    }
  }
  search.result.emplace_back(file);
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* root = std::getenv(variable)) search.toolkit(root);
  }
  search.toolkit("/usr/local/cuda");
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const char* root = std::getenv(variable)) search.environment(root);
  }
  return search.result;
}

DynamicLibrary::DynamicLibrary(const std::string& file, const std::string& purpose) {
  std::string tried;
  for (const fs::path& candidate : library_candidates(file)) {
    handle_ = ::dlopen(candidate.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (handle_ != nullptr) {
      path_ = candidate.string();
      return;
    }
    const char* reason = ::dlerror();
    tried += fmt::format("{}{}", tried.empty() ? "" : "; ", reason != nullptr ? reason : candidate.string());
  }
  fail(
      "{} was not found ({} needs it). Tried: {}. Install it, or name its folder (a Python site-packages "
      "folder will "
      "do) in QCFACE_LIBRARY_PATH",
      file, purpose, tried);
}

void* DynamicLibrary::symbol(const char* name) const {
  void* const found = handle_ != nullptr ? ::dlsym(handle_, name) : nullptr;
  require(found != nullptr, "{}: has no function {}; another version of the library is needed",
          path_.empty() ? "library" : path_, name);
  return found;
}

}  // namespace qcface::nn::cuda
