// Groups of equal scores, their counts, and which of them are kept.
//
// Bytes moved: each kernel reads its arrays once; counts are differences of the inclusive sums at two places.
#include "nn/cuda/check.h"
#include "nn/cuda/flat.cuh"
#include "nn/scoring/cuda/kernels.h"

namespace qcface::nn::cuda {
namespace {

struct Counts {
  std::int64_t different = 0, same = 0;
};

/// Up to and with group g; none before the first.
__device__ __forceinline__ Counts counts_at(const SortedScores& sorted, const std::int32_t* ends,
                                            std::int64_t g) {
  if (g < 0) return {};
  const std::int64_t last = ends[g], same = sorted.same[last];
  return {last + 1 - same, same};
}

__device__ __forceinline__ RocPoint point_of(const SortedScores& sorted, const std::int32_t* ends,
                                             std::int64_t g) {
  const Counts above = counts_at(sorted, ends, g - 1), with = counts_at(sorted, ends, g);
  return {sorted.scores[ends[g]], with.different, with.same, above.different, above.same};
}

__global__ __launch_bounds__(kFlatThreads) void ends_kernel(const double* __restrict__ scores,
                                                            std::int64_t count,
                                                            std::uint8_t* __restrict__ flag) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads())
    flag[i] = i + 1 == count || scores[i] != scores[i + 1] ? 1 : 0;
}

__global__ __launch_bounds__(kFlatThreads) void keep_kernel(SortedScores sorted,
                                                            const std::int32_t* __restrict__ ends,
                                                            std::int64_t groups, bool thinned,
                                                            std::uint8_t* __restrict__ flag) {
  for (std::int64_t g = flat_thread(); g < groups; g += flat_threads()) {
    bool keep = !thinned || groups <= 2 || g == 0 || g + 1 == groups;
    if (!keep) {
      const Counts before = counts_at(sorted, ends, g - 1), here = counts_at(sorted, ends, g),
                   after = counts_at(sorted, ends, g + 1);
      keep = after.different - 2 * here.different + before.different != 0 ||
             after.same - 2 * here.same + before.same != 0;
    }
    flag[g] = keep ? 1 : 0;
  }
}

__global__ __launch_bounds__(kFlatThreads) void points_kernel(SortedScores sorted,
                                                              const std::int32_t* __restrict__ ends,
                                                              const std::int32_t* __restrict__ kept,
                                                              std::int64_t count,
                                                              RocPoint* __restrict__ points) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads())
    points[i] = point_of(sorted, ends, kept[i]);
}

__global__ __launch_bounds__(kFlatThreads) void ranks_kernel(
    SortedScores sorted, const std::int32_t* __restrict__ ends, std::int64_t groups,
    const std::int64_t* __restrict__ ranks, std::int64_t count, RocPoint* __restrict__ points) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads()) {
    std::int64_t low = 0, high = groups - 1;  // the first group with more different pairs than the rank
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      if (counts_at(sorted, ends, middle).different > ranks[i]) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    points[i] = point_of(sorted, ends, low);
  }
}

}  // namespace

void flag_group_ends(const double* scores, std::int64_t count, std::uint8_t* flag, cudaStream_t stream) {
  if (count == 0) return;
  check_launch(
      qcface::cuda::launch(ends_kernel, flat_grid(count), dim3(kFlatThreads), 0, stream, scores, count, flag),
      "flag_group_ends");
}

void flag_kept_groups(const SortedScores& sorted, const std::int32_t* ends, std::int64_t groups, bool thinned,
                      std::uint8_t* flag, cudaStream_t stream) {
  if (groups == 0) return;
  check_launch(qcface::cuda::launch(keep_kernel, flat_grid(groups), dim3(kFlatThreads), 0, stream, sorted,
                                    ends, groups, thinned, flag),
               "flag_kept_groups");
}

void make_points(const SortedScores& sorted, const std::int32_t* ends, const std::int32_t* kept,
                 std::int64_t count, RocPoint* points, cudaStream_t stream) {
  if (count == 0) return;
  check_launch(qcface::cuda::launch(points_kernel, flat_grid(count), dim3(kFlatThreads), 0, stream, sorted,
                                    ends, kept, count, points),
               "make_points");
}

void find_ranks(const SortedScores& sorted, const std::int32_t* ends, std::int64_t groups,
                const std::int64_t* ranks, std::int64_t count, RocPoint* points, cudaStream_t stream) {
  if (count == 0) return;
  check_launch(qcface::cuda::launch(ranks_kernel, flat_grid(count), dim3(kFlatThreads), 0, stream, sorted,
                                    ends, groups, ranks, count, points),
               "find_ranks");
}

}  // namespace qcface::nn::cuda
