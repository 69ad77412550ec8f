// Checks shared by the host functions of the CUDA kernels. Apart from core/error.h, so that nvcc does not
// compile the formatting library once a kernel file.
#pragma once

#include "kernels/device/runtime.h"

namespace qcface::nn::cuda {

/// Throws qcface::Error "<function>: <what>".
[[noreturn]] void fail_call(const char* function, const char* what);

inline void require_call(bool condition, const char* function, const char* what) {
  if (!condition) fail_call(function, what);
}

/// Not null and aligned to 16 bytes; the message names the tensor.
void check_pointer(const void* pointer, const char* function, const char* tensor);
/// Null, or as above.
void check_optional(const void* pointer, const char* function, const char* tensor);

/// Throws Error "<what>: CUDA reports <text>".
void check_cuda(cudaError_t status, const char* what);

/// Throws for a launch that failed, with CUDA's text.
void check_launch(cudaError_t error, const char* function);

}  // namespace qcface::nn::cuda
