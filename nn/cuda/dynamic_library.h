// Libraries that are loaded when the CUDA backend is made, so that a run on the CPU does not pay for them and needs none
// of them installed.
//
// A library is looked for in this order:
//   1. the folders of QCFACE_LIBRARY_PATH (separated by ':'), and below each: nvidia/*/lib, */lib, lib, lib64. A Python
//      site-packages folder, or the nvidia folder in it, is enough.
//   2. the dynamic loader's own places (LD_LIBRARY_PATH, the program's run path, the system's cache)
//   3. CUDA_HOME, CUDA_PATH and /usr/local/cuda: lib64, lib, targets/*/lib
//   4. nvidia/*/lib in the site-packages of VIRTUAL_ENV and CONDA_PREFIX
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qcface::nn::cuda {

/// Files to try for a library of this name, in order; the bare name stands for the loader's own places.
std::vector<std::filesystem::path> library_candidates(const std::string& file);

class DynamicLibrary {
 public:
  DynamicLibrary() = default;
  /// Throws Error naming the library, what it is for, and everything that was tried.
  DynamicLibrary(const std::string& file, const std::string& purpose);

  /// Throws Error naming library and function.
  void* symbol(const char* name) const;
  template <class Function>
  void bind(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(symbol(name));
  }
  const std::string& path() const { return path_; }
  /// What dlopen() gave, for code that looks functions up itself.
  void* handle() const { return handle_; }

 private:
  void* handle_ = nullptr;  // never closed: libraries of CUDA do not survive it
  std::string path_;
};

}  // namespace qcface::nn::cuda
