// The best rows of each probe. A warp walks along the row and keeps what is above its bar, the last of the best rows so far; when
// its buffer is full, the buffer is sorted and cut. In rows in random order a value is kept with a chance of top / (values seen),
// so sorting is rare.
//
// Bytes moved: 8 a score.
#include "nn/cuda/check.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/warp_rows.cuh"

namespace qcface::nn::cuda {
namespace {

constexpr std::int32_t kNoRow = std::numeric_limits<std::int32_t>::max();  // stands behind every row
constexpr int kStep = 64;  // values that a warp looks at at once
constexpr std::size_t kEntryBytes = sizeof(double) + sizeof(std::int32_t);
constexpr std::size_t kSharedBytes = 48 << 10;  // at most, so that some blocks stand on a multiprocessor

/// The warp's own in shared memory: room for `capacity` entries, a power of two.
struct Buffer {
  double* score;
  std::int32_t* row;
  int capacity;
};

__device__ __forceinline__ bool stands_before(double score1, std::int32_t row1, double score2,
                                              std::int32_t row2) {
  return score1 > score2 || (score1 == score2 && row1 < row2);
}

/// Bitonic, best first.
__device__ void sort(const Buffer& buffer, int lane) {
  for (int size = 2; size <= buffer.capacity; size *= 2) {
    for (int distance = size / 2; distance > 0; distance /= 2) {
      for (int i = lane; i < buffer.capacity / 2; i += 32) {
        const int low = 2 * i - (i & (distance - 1)), high = low + distance;
        const bool best_first = (low & size) == 0;
        const double score1 = buffer.score[low], score2 = buffer.score[high];
        const std::int32_t row1 = buffer.row[low], row2 = buffer.row[high];
        if (stands_before(score2, row2, score1, row1) == best_first && (score1 != score2 || row1 != row2)) {
          buffer.score[low] = score2;
          buffer.score[high] = score1;
          buffer.row[low] = row2;
          buffer.row[high] = row1;
        }
      }
      __syncwarp();
    }
  }
}

/// Sorts `count` entries and keeps `top`; returns the bar.
__device__ double cut(const Buffer& buffer, int top, int* count, int lane) {
  for (int i = *count + lane; i < buffer.capacity; i += 32) {
    buffer.score[i] = kNoScore;
    buffer.row[i] = kNoRow;
  }
  __syncwarp();
  sort(buffer, lane);
  *count = *count < top ? *count : top;
  const double bar = buffer.score[top - 1];
  __syncwarp();  // every lane has read it
  return bar;
}

__global__ __launch_bounds__(kWarpRowThreads) void top_kernel(ScoreBlock block, int top, int capacity,
                                                              bool merge, double* best_score,
                                                              std::int32_t* best_row) {
  QCF_DYNAMIC_SHARED(memory);
  const int lane = lane_of_warp(), warp = static_cast<int>(threadIdx.x / 32),
            warps = static_cast<int>(blockDim.x / 32);
  auto* const all_scores = reinterpret_cast<double*>(memory);
  const Buffer buffer{all_scores + warp * capacity,
                      reinterpret_cast<std::int32_t*>(all_scores + warps * capacity) + warp * capacity,
                      capacity};
  const unsigned lanes_before = (1u << lane) - 1;
  for (std::int64_t row = first_warp_row(); row < block.rows; row += all_warp_rows()) {
    const double* const scores = block.scores + row * block.stride;
    int count = 0;
    double bar = kNoScore;
    if (merge) {
      for (int i = lane; i < top; i += 32) {
        buffer.score[i] = best_score[row * top + i];
        buffer.row[i] = best_row[row * top + i];
      }
      count = top;
      bar = best_score[row * top + top - 1];
    }
    __syncwarp();
    // Rows come in order, so one with the score of the bar stands behind it. Within a step they do not: the bar stays.
    for (std::int64_t first = 0; first < block.stride; first += kStep) {
      const std::int64_t at = first + 2 * lane;
      double pair[2] = {kNoScore, kNoScore};
      if (at < block.stride) {
        const auto loaded = qcface::cuda::load(scores + at);
        pair[0] = loaded[0];
        pair[1] = loaded[1];
      }
      if (!__any_sync(~0u, pair[0] > bar || pair[1] > bar)) continue;
      QCF_UNROLL
      for (int k = 0; k < 2; ++k) {
        const bool above = pair[k] > bar;
        const unsigned votes = __ballot_sync(~0u, above);
        if (above) {
          const int place = count + __popc(votes & lanes_before);
          buffer.score[place] = pair[k];
          buffer.row[place] = static_cast<std::int32_t>(block.first_column + at + k);
        }
        count += __popc(votes);
      }
      if (count + kStep > capacity) {
        __syncwarp();
        bar = cut(buffer, top, &count, lane);
      }
    }
    __syncwarp();
    cut(buffer, top, &count, lane);
    for (int i = lane; i < top; i += 32) {
      best_score[row * top + i] = buffer.score[i];
      best_row[row * top + i] = buffer.row[i];
    }
    __syncwarp();  // the buffer is free for the next row
  }
}

}  // namespace

void find_top_rows(const ScoreBlock& block, int top, bool merge, double* best_score, std::int32_t* best_row,
                   cudaStream_t stream) {
  require_call(top >= 1 && top <= kMostTopRows, "find_top_rows", "top is not in 1 to 4000");
  int capacity = 2 * kStep;
  while (capacity < top + kStep) capacity *= 2;
  const std::size_t bytes = static_cast<std::size_t>(capacity) * kEntryBytes;
  const int warps = static_cast<int>(std::clamp<std::size_t>(kSharedBytes / bytes, 1, kWarpRows));
  check_launch(
      qcface::cuda::launch(top_kernel, warp_row_grid(block.rows, warps),
                           dim3(static_cast<unsigned>(32 * warps)), static_cast<std::size_t>(warps) * bytes,
                           stream, block, top, capacity, merge, best_score, best_row),
      "find_top_rows");
}

}  // namespace qcface::nn::cuda
