// Scores of listed pairs of rows, a warp a pair.
//
// Bytes moved: two rows a pair, from the second-level cache where all rows fit into it; 16 a pair beside.
#include "nn/cuda/check.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/warp_rows.cuh"
#include "nn/scoring/rule.h"

namespace qcface::nn::cuda {
namespace {

template <class T>
__global__ __launch_bounds__(kWarpRowThreads) void pairs_kernel(
    const T* __restrict__ rows, std::int64_t width, const double* __restrict__ lengths,
    const RowPair* __restrict__ pairs, std::int64_t count, ScoreRule rule, double* __restrict__ out) {
  const int lane = lane_of_warp();
  for (std::int64_t i = first_warp_row(); i < count; i += all_warp_rows()) {
    const RowPair pair = pairs[i];
    const T* const a = rows + pair.a * width;
    const T* const b = rows + pair.b * width;
    double sum = 0;
    if (rule.kind == ScoreRule::kEuclid) {
      for (std::int64_t d = lane; d < width; d += 32) {
        const double v = static_cast<double>(a[d]) - static_cast<double>(b[d]);
        sum += v * v;
      }
    } else {
      for (std::int64_t d = lane; d < width; d += 32)
        sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
    }
    sum = qcface::cuda::warp_sum(sum);
    if (lane != 0) continue;
    out[i] = rule.kind == ScoreRule::kEuclid ? -sqrt(sum)
                                             : scoring::score_of(rule, sum, lengths[pair.a], lengths[pair.b]);
  }
}

}  // namespace

void score_pairs(const float* f32, const double* f64, std::int64_t width, const double* lengths,
                 const RowPair* pairs, std::int64_t count, const ScoreRule& rule, double* out,
                 cudaStream_t stream) {
  if (count == 0) return;
  const dim3 grid = warp_row_grid(count), block(kWarpRowThreads);
  check_launch(f32 != nullptr ? qcface::cuda::launch(pairs_kernel<float>, grid, block, 0, stream, f32, width,
                                                     lengths, pairs, count, rule, out)
                              : qcface::cuda::launch(pairs_kernel<double>, grid, block, 0, stream, f64, width,
                                                     lengths, pairs, count, rule, out),
               "score_pairs");
}

}  // namespace qcface::nn::cuda
