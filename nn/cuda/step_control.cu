// Scaling by a device scalar, and the flag that stops updates after a value that is not finite.
#include "nn/cuda/step_control.h"

#include "kernels/device/device.cuh"
#include "nn/cuda/check.h"

namespace qcface::nn::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void scale_kernel(std::int64_t count, const float* x, const float* factor, float* y) {
  const float f = factor != nullptr ? *factor : 1.0f;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) y[i] = x[i] * f;
}

__global__ void skip_kernel(const FiniteRecord* record, std::uint32_t* skip) {
  if (record->key != kAllFinite) *skip = 1;
}

}  // namespace

void scale_values(std::int64_t count, const float* x, const float* factor, float* y, cudaStream_t stream) {
  if (count == 0) return;
  const std::int64_t blocks = (count + kThreads - 1) / kThreads;
  require_call(count > 0 && blocks < (std::int64_t{1} << 31), "scale_values", "the count is out of range");
  check_launch(qcface::cuda::launch(scale_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0,
                                    stream, count, x, factor, y),
               "scale_values");
}

void skip_if_not_finite(const FiniteRecord* record, std::uint32_t* skip, cudaStream_t stream) {
  check_launch(qcface::cuda::launch(skip_kernel, dim3(1), dim3(1), 0, stream, record, skip),
               "skip_if_not_finite");
}

}  // namespace qcface::nn::cuda
