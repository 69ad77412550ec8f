#include "nn/cuda/check.h"

#include <cstdint>

#include "core/error.h"

namespace qcface::nn::cuda {

void fail_call(const char* function, const char* what) { fail("{}: {}", function, what); }

void check_pointer(const void* pointer, const char* function, const char* tensor) {
  require(pointer != nullptr, "{}: {} is null; a device pointer is needed here", function, tensor);
  check_optional(pointer, function, tensor);
}

void check_optional(const void* pointer, const char* function, const char* tensor) {
  const auto rest = reinterpret_cast<std::uintptr_t>(pointer) % 16;
  require(rest == 0, "{}: {} lies {} bytes past a multiple of 16; the kernels read 16 bytes at a time",
          function, tensor, rest);
}

void check_cuda(cudaError_t status, const char* what) {
  require(status == cudaSuccess, "{}: CUDA reports {}", what, cudaGetErrorString(status));
}

void check_launch(cudaError_t error, const char* function) {
  require(error == cudaSuccess, "{}: the kernel could not be launched: {}", function,
          cudaGetErrorString(error));
}

}  // namespace qcface::nn::cuda
