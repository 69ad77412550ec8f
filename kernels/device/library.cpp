#include "kernels/device/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace qcface::cuda {
namespace {

namespace fs = std::filesystem;

// Folders that cannot be read hold nothing: the search goes on without a word.
std::vector<fs::path> subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::vector<fs::path> folders_of(const std::string& list) {
  std::vector<fs::path> folders;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    if (end > at) folders.emplace_back(list.substr(at, end - at));
    at = end + 1;
  }
  return folders;
}

class Search {
 public:
  explicit Search(const std::string& file) : file_(file) {}

  void in(const fs::path& folder) {
    std::error_code ignored;
    fs::path candidate = folder / file_;
    if (fs::exists(candidate, ignored)) add(std::move(candidate));
  }
  void add(fs::path candidate) {
    if (std::find(result.begin(), result.end(), candidate) == result.end())
      result.push_back(std::move(candidate));
  }
  void below_each(const fs::path& folder) {
    for (const fs::path& sub : subfolders(folder)) in(sub / "lib");
  }
  void toolkit(const fs::path& root) {
    in(root / "lib64");
    in(root / "lib");
    below_each(root / "targets");
  }
  /// A Python installation: PREFIX/lib/python3*/site-packages, dist-packages on Debian.
  void python(const fs::path& prefix) {
    for (const fs::path& version : subfolders(prefix / "lib")) {
      if (version.filename().string().rfind("python3", 0) != 0) continue;
      for (const char* packages : {"site-packages", "dist-packages"})
        below_each(version / packages / "nvidia");
    }
  }
  std::vector<fs::path> result;

 private:
  const std::string& file_;
};

}  // namespace

std::vector<fs::path> library_candidates(const std::string& file) {
  Search search(file);
  for (const fs::path& root : folders_of(variable("QCFACE_LIBRARY_PATH"))) {
    search.in(root);
    search.below_each(root / "nvidia");
    search.below_each(root);
    search.in(root / "lib");
    search.in(root / "lib64");
  }
  search.add(file);
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const std::string root = variable(name); !root.empty()) search.toolkit(root);
  }
  search.toolkit("/usr/local/cuda");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const std::string root = variable(name); !root.empty()) search.python(root);
  }
  for (const fs::path& folder : folders_of(variable("PATH"))) {
    std::error_code ignored;
    if (!fs::exists(folder / "python3", ignored)) continue;
    // By name, not by link: bin/python3 of an environment points to the Python that made it.
    const fs::path prefix = (folder / "..").lexically_normal();
    search.python(prefix);
    search.python(prefix / "local");  // where Debian's python3 puts what pip installs for all
  }
  return search.result;
}

OpenedLibrary open_library(const std::string& file, const std::string& purpose, int flags) {
  OpenedLibrary opened;
  std::string tried;
  for (const fs::path& candidate : library_candidates(file)) {
    opened.handle = ::dlopen(candidate.c_str(), flags);
    if (opened.handle != nullptr) {
      opened.path = candidate.string();
      return opened;
    }
    const char* const reason = ::dlerror();
    if (!tried.empty()) tried += "; ";
    tried += reason != nullptr ? reason : candidate.string();
  }
  opened.error = file + " was not found (" + purpose + " needs it). Tried: " + tried +
                 ". Install it, or name its folder (a Python site-packages folder will do) in "
                 "QCFACE_LIBRARY_PATH";
  return opened;
}

}  // namespace qcface::cuda
