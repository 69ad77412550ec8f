// Plain cosines: the product has written xh wh^T straight into the caller's array; this clamps and scales it in place.
// Bytes: reads and writes 4 N chunk, in L2 where the chunk's columns still lie.
#include "kernels/cuda/launches.h"
#include "kernels/device/device.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = 256;

__global__ __launch_bounds__(kThreads) void scale_cosines_kernel(float* out, std::int64_t classes,
                                                                 std::int64_t stride, float scale) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column >= classes) return;
  float& value = out[static_cast<std::int64_t>(blockIdx.x) * stride + column];
  value = scale * (value > 1.0f ? 1.0f : (value < -1.0f ? -1.0f : value));  // keeps NaN
}

}  // namespace

cudaError_t scale_cosines(float* out, std::int64_t n, std::int64_t classes, std::int64_t stride, float scale,
                          cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(n), static_cast<unsigned>((classes + kThreads - 1) / kThreads));
  return launch(scale_cosines_kernel, grid, kThreads, 0, stream, out, classes, stride, scale);
}

}  // namespace qcface::kernels::cuda
