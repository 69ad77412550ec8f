// Scores and ranks of mates.
//
// Bytes moved: counting reads 8 a score, once for every four mates of a probe; the other two touch mates alone.
#include "nn/cuda/check.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/warp_rows.cuh"

namespace qcface::nn::cuda {
namespace {

constexpr int kAtOnce = 4;  // mates that are counted in one walk along the row

/// f(m, score of the mate at columns[m] in this block) for every mate that lies in it. Lanes take columns, not mates: one that is
/// listed twice is written by one lane.
template <class F>
__device__ __forceinline__ void for_mates(const ScoreBlock& block, const BlockMates& mates,
                                          const std::int32_t* columns, F f) {
  const int lane = lane_of_warp();
  for (std::int64_t row = first_warp_row(); row < mates.probes; row += all_warp_rows()) {
    for (std::int64_t m = mates.begin[row]; m < mates.begin[row + 1]; ++m) {
      const std::int64_t column = columns[m] - block.first_column;
      if (column < 0 || column >= block.columns || column % 32 != lane) continue;
      f(m, block.scores[row * block.stride + column]);
    }
  }
}

__global__ __launch_bounds__(kWarpRowThreads) void take_kernel(ScoreBlock block, BlockMates mates,
                                                               const std::int32_t* columns,
                                                               double* mate_score) {
  for_mates(block, mates, columns, [mate_score](std::int64_t m, double& score) { mate_score[m] = score; });
}

__global__ __launch_bounds__(kWarpRowThreads) void mask_kernel(ScoreBlock block, BlockMates mates) {
  for_mates(block, mates, mates.rows, [](std::int64_t, double& score) { score = kNoScore; });
}

__global__ __launch_bounds__(kWarpRowThreads) void count_kernel(ScoreBlock block, BlockMates mates,
                                                                const double* __restrict__ mate_score,
                                                                std::int64_t* __restrict__ rank) {
  const int lane = lane_of_warp();
  for (std::int64_t row = first_warp_row(); row < mates.probes; row += all_warp_rows()) {
    const double* const scores = block.scores + row * block.stride;
    const std::int64_t end = mates.begin[row + 1];
    for (std::int64_t first = mates.begin[row]; first < end; first += kAtOnce) {
      double score[kAtOnce];
      std::int64_t column[kAtOnce];
      int before[kAtOnce] = {};
      QCF_UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        const std::int64_t m = first + k < end ? first + k : first;
        score[k] = mate_score[m];
        column[k] = mates.rows[m] - block.first_column;
      }
      for (std::int64_t at = 2 * lane; at < block.columns; at += 64) {  // behind the columns: -infinity
        const auto pair = qcface::cuda::load(scores + at);
        QCF_UNROLL
        for (int i = 0; i < 2; ++i) {
          QCF_UNROLL
          for (int k = 0; k < kAtOnce; ++k)
            before[k] += pair[i] > score[k] || (pair[i] == score[k] && at + i < column[k]) ? 1 : 0;
        }
      }
      QCF_UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        const int all = qcface::cuda::warp_sum(before[k]);
        if (lane == 0 && first + k < end) rank[first + k] += all;
      }
    }
  }
}

}  // namespace

void take_mate_scores(const ScoreBlock& block, const BlockMates& mates, const std::int32_t* columns,
                      double* mate_score, cudaStream_t stream) {
  check_launch(qcface::cuda::launch(take_kernel, warp_row_grid(mates.probes), dim3(kWarpRowThreads), 0,
                                    stream, block, mates, columns, mate_score),
               "take_mate_scores");
}

void count_before_mates(const ScoreBlock& block, const BlockMates& mates, const double* mate_score,
                        std::int64_t* rank, cudaStream_t stream) {
  check_launch(qcface::cuda::launch(count_kernel, warp_row_grid(mates.probes), dim3(kWarpRowThreads), 0,
                                    stream, block, mates, mate_score, rank),
               "count_before_mates");
}

void mask_mates(const ScoreBlock& block, const BlockMates& mates, cudaStream_t stream) {
  check_launch(qcface::cuda::launch(mask_kernel, warp_row_grid(mates.probes), dim3(kWarpRowThreads), 0,
                                    stream, block, mates),
               "mask_mates");
}

}  // namespace qcface::nn::cuda
