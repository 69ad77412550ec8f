// Second half of a fused plan's first pass: the parts of the classes, each with its own shifts, become one sum a row.
// Reads 4 parts N D bytes of partial vectors once, writes 4 N D. The order of the parts is fixed.
#include "kernels/cuda/fused.h"
#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = kFusedMaxParts;  // thread p looks after part p

__global__ void __launch_bounds__(kThreads) fused_combine_kernel(const __grid_constant__ FusedSums call) {
  QCF_SHARED(double, scratch, kThreads / 32);
  QCF_SHARED(float, scale, kThreads);
  const std::int64_t n = call.shape.n;
  const std::int64_t row = blockIdx.x;
  const int part = static_cast<int>(threadIdx.x);
  for (int which = call.plain ? 1 : 0; which >= 0;
       --which) {  // the margin sums last: their scales stay for the vectors
    double sum = 0, shift = -1e300;
    if (part < call.parts) {
      const std::int64_t at = (2 * static_cast<std::int64_t>(part) + which) * n + row;
      sum = call.partials.sum[at];
      if (sum > 0) shift = static_cast<double>(call.partials.shift[at]);
    }
    const double highest = block_max<kThreads>(shift, scratch);
    // no part holds a class but the label: everything is 0 relative to shift 0
    const double factor = sum > 0 ? exp(shift - highest) : 0.0;
    const double total = block_sum<kThreads>(sum * factor, scratch);
    if (part == 0) {
      call.shift[which * n + row] = highest > -1e299 ? static_cast<float>(highest) : 0.0f;
      call.sum[which * n + row] = total;
    }
    scale[part] = static_cast<float>(factor);
  }
  for (int which = 0; which < 2; ++which) {
    std::int64_t count = 0;
    if (part < call.parts)
      count = call.partials.counts[(2 * static_cast<std::int64_t>(part) + which) * n + row];
    const double total = block_sum<kThreads>(static_cast<double>(count), scratch);
    if (part == 0) call.counts[which * n + row] = total;
  }
  if (!call.vectors) return;
  __syncthreads();
  const std::int64_t d = call.shape.d;
  for (std::int64_t k = threadIdx.x; k < d; k += kThreads) {
    float total = 0.0f;
    for (int p = 0; p < call.parts; ++p) {
      if (scale[p] == 0.0f) continue;
      total = fmaf(scale[p], call.partials.vectors[(static_cast<std::int64_t>(p) * n + row) * d + k], total);
    }
    call.out_vectors[row * d + k] = total;
  }
}

}  // namespace

cudaError_t fused_combine(const FusedSums& call, cudaStream_t stream) {
  return launch(fused_combine_kernel, static_cast<unsigned>(call.shape.n), kThreads, 0, stream, call);
}

}  // namespace qcface::kernels::cuda
