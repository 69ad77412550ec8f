// Libraries that are loaded when the CUDA backend is made, so that a run on the CPU does not pay for them and needs none
// of them installed. kernels/device/library.h says where they are looked for.
#pragma once

#include <string>

namespace qcface::nn::cuda {

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
