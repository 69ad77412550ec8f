// Scores from products and lengths.
//
// Bytes moved: 16 a score.
#include "nn/cuda/check.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/warp_rows.cuh"
#include "nn/scoring/rule.h"

namespace qcface::nn::cuda {
namespace {

// Below this share of the two squares their difference has lost more than ten bits to the rounding of the product.
constexpr double kNearlyEqual = 1.0 / 1024;

/// Of the rows themselves.
__device__ double exact_distance(const double* a, const double* b, std::int64_t width) {
  double sum = 0;
  for (std::int64_t d = 0; d < width; ++d) {
    const double v = a[d] - b[d];
    sum += v * v;
  }
  return sqrt(sum);
}

__global__ __launch_bounds__(kWarpRowThreads) void scores_kernel(ScoreBlock block, ScoreRule rule,
                                                                 WideRows probes, WideRows gallery,
                                                                 bool merge, double* lowest,
                                                                 double* highest) {
  const int lane = lane_of_warp();
  for (std::int64_t row = first_warp_row(); row < block.rows; row += all_warp_rows()) {
    double* const scores = block.scores + row * block.stride;
    const double length = probes.lengths[row];
    double low = -kNoScore, high = kNoScore;
    for (std::int64_t at = 2 * lane; at < block.stride; at += 64) {
      auto pair = qcface::cuda::load(scores + at);
      QCF_UNROLL
      for (int k = 0; k < 2; ++k) {
        const std::int64_t column = at + k;
        if (column >= block.columns) {
          pair[k] = kNoScore;
          continue;
        }
        double score;
        if (rule.kind == ScoreRule::kEuclid) {  // from squares, not lengths: exact where the sums are
          const double both = probes.squares[row] + gallery.squares[column], square = both - 2 * pair[k];
          score = square >= kNearlyEqual * both
                      ? -sqrt(square)
                      : -exact_distance(probes.values + row * probes.padded_width,
                                        gallery.values + column * gallery.padded_width, probes.padded_width);
        } else {
          score = scoring::score_of(rule, pair[k], length, gallery.lengths[column]);
        }
        pair[k] = score;
        low = score < low ? score : low;
        high = score > high ? score : high;
      }
      qcface::cuda::store(scores + at, pair);
    }
    low = -qcface::cuda::warp_max(-low);
    high = qcface::cuda::warp_max(high);
    if (lane == 0) {
      lowest[row] = merge && lowest[row] < low ? lowest[row] : low;
      highest[row] = merge && highest[row] > high ? highest[row] : high;
    }
  }
}

}  // namespace

void make_scores(const ScoreBlock& block, const ScoreRule& rule, const WideRows& probes,
                 const WideRows& gallery, bool merge, double* lowest, double* highest, cudaStream_t stream) {
  check_launch(qcface::cuda::launch(scores_kernel, warp_row_grid(block.rows), dim3(kWarpRowThreads), 0,
                                    stream, block, rule, probes, gallery, merge, lowest, highest),
               "make_scores");
}

}  // namespace qcface::nn::cuda
