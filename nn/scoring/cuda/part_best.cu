// The best row of a part of the gallery that is no mate. A lane asks whether a row is a mate only where it would be the lane's
// best, which is rare.
//
// Bytes moved: 8 a score of the part.
#include "nn/cuda/check.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/warp_rows.cuh"

namespace qcface::nn::cuda {
namespace {

__device__ bool is_mate(const BlockMates& mates, std::int64_t probe, std::int64_t row) {
  for (std::int64_t m = mates.begin[probe]; m < mates.begin[probe + 1]; ++m) {
    if (mates.rows[m] == row) return true;
  }
  return false;
}

__global__ __launch_bounds__(kWarpRowThreads) void part_kernel(ScoreBlock block, BlockMates mates,
                                                               std::int64_t first, std::int64_t end,
                                                               double* best_score, std::int32_t* best_row) {
  const int lane = lane_of_warp();
  for (std::int64_t probe = first_warp_row(); probe < block.rows; probe += all_warp_rows()) {
    const double* const scores = block.scores + probe * block.stride;
    double best = kNoScore;
    std::int32_t row = -1;
    for (std::int64_t column = first + lane; column < end; column += 32) {
      const double score = scores[column];
      if (!(score > best) || is_mate(mates, probe, block.first_column + column)) continue;
      best = score;
      row = static_cast<std::int32_t>(block.first_column + column);
    }
    QCF_UNROLL
    for (int step = 16; step > 0; step /= 2) {
      const double other = __shfl_xor_sync(~0u, best, step);
      const std::int32_t other_row = __shfl_xor_sync(~0u, row, step);
      if (other > best || (other == best && other_row >= 0 && (row < 0 || other_row < row))) {
        best = other;
        row = other_row;
      }
    }
    // Rows of the blocks before are smaller, so an equal one stays.
    if (lane == 0 && row >= 0 && (best_row[probe] < 0 || best > best_score[probe])) {
      best_score[probe] = best;
      best_row[probe] = row;
    }
  }
}

}  // namespace

void find_part_best(const ScoreBlock& block, const BlockMates& mates, std::int64_t first, std::int64_t second,
                    double* score, std::int32_t* row, cudaStream_t stream) {
  const std::int64_t begin = std::max<std::int64_t>(first - block.first_column, 0),
                     end = std::min(second - block.first_column, block.columns);
  if (begin >= end) return;
  check_launch(qcface::cuda::launch(part_kernel, warp_row_grid(block.rows), dim3(kWarpRowThreads), 0, stream,
                                    block, mates, begin, end, score, row),
               "find_part_best");
}

}  // namespace qcface::nn::cuda
