// Row values of the second pass, side by side as its kernels stream them. Reads 20 N bytes, writes 16 N.
#include "kernels/cuda/fused.h"
#include "kernels/device/device.cuh"

namespace qcface::kernels::cuda {
namespace {

__global__ void fused_rows_kernel(const __grid_constant__ FusedWeights call) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= call.shape.n) return;
  call.rows[row] = {call.margin[row], call.shift[row], call.factor[row],
                    static_cast<std::int32_t>(call.label[row])};
}

}  // namespace

cudaError_t fused_rows(const FusedWeights& call, cudaStream_t stream) {
  constexpr int kThreads = 128;
  if (call.shape.n == 0) return cudaSuccess;
  return ::qcface::cuda::launch(fused_rows_kernel,
                                static_cast<unsigned>((call.shape.n + kThreads - 1) / kThreads), kThreads, 0,
                                stream, call);
}

}  // namespace qcface::kernels::cuda
