#include "nn/cuda/dynamic_library.h"

#include <dlfcn.h>

#include "core/error.h"
#include "kernels/cuda/library_search.h"

namespace qcface::nn::cuda {

DynamicLibrary::DynamicLibrary(const std::string& file, const std::string& purpose) {
  const kernels::cuda::OpenedLibrary opened = kernels::cuda::open_library(file, RTLD_NOW | RTLD_GLOBAL);
  require(opened.handle != nullptr,
          "{} was not found ({} needs it). Tried: {}. Install it, or name its folder (a Python site-packages "
          "folder will do) in QCFACE_LIBRARY_PATH",
          file, purpose, opened.tried);
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
