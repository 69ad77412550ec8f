#include "nn/cuda/dynamic_library.h"

#include <dlfcn.h>

#include "core/error.h"
#include "kernels/device/library.h"

namespace qcface::nn::cuda {

DynamicLibrary::DynamicLibrary(const std::string& file, const std::string& purpose) {
  const qcface::cuda::OpenedLibrary opened =
      qcface::cuda::open_library(file, purpose, RTLD_NOW | RTLD_GLOBAL);
  require(opened.handle != nullptr, "{}", opened.error);
  handle_ = opened.handle;
  path_ = opened.path;
}

void* DynamicLibrary::symbol(const char* name) const {
  void* const found = handle_ != nullptr ? ::dlsym(handle_, name) : nullptr;
  require(found != nullptr, "{}: has no function {}; another version of the library is needed",
          path_.empty() ? "library" : path_, name);
  return found;
}

}  // namespace qcface::nn::cuda
