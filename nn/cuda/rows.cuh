// The walk of a thread over its rows (row_cut.h) and the fixed-order sums over the threads of a block and
// over the groups of rows.
#pragma once

#include "kernels/device/device.cuh"
#include "nn/cuda/row_cut.h"

namespace qcface::nn::cuda {

/// Rows that a thread has in flight at once.
inline constexpr int kRun = 4;

/// A thread's place: channels channel .. channel + vector - 1 of rows first, first + stride, ... < end.
struct RowPlace {
  int channel;
  int lane_c, lane_r;
  std::int64_t begin, end;  // of the group
  std::int64_t first;
  bool active;  // the channels exist
};

/// Row j of a run that starts at `row`, or `row` again behind the end: loads need no condition then, and a
/// thread touches its own rows only.
__device__ __forceinline__ std::int64_t row_of_run(const RowPlace& place, std::int64_t row, int j,
                                                   std::int64_t stride) {
  const std::int64_t r = row + j * stride;
  return r < place.end ? r : row;
}

template <int V>
__device__ __forceinline__ RowPlace row_place(const RowCut& cut, std::int64_t rows, int channels) {
  RowPlace place;
  const int thread = static_cast<int>(threadIdx.x);
  place.lane_c = thread & (cut.lanes_c - 1);
  place.lane_r = thread / cut.lanes_c;
  place.channel = (static_cast<int>(blockIdx.y) * cut.lanes_c + place.lane_c) * V;
  place.begin = static_cast<std::int64_t>(blockIdx.x) * cut.rows_per_group;
  place.end = min(place.begin + cut.rows_per_group, rows);
  place.first = place.begin + place.lane_r;
  place.active = place.channel < channels;
  return place;
}

/// Rows of lane `lane` in a group of `rows`.
__device__ __forceinline__ int lane_rows(std::int64_t rows, int lane, int lanes) {
  return rows > lane ? static_cast<int>((rows - lane + lanes - 1) / lanes) : 0;
}

/// Sums over the row lanes of a block, kinds of sums at once: sums[k][i] of every thread ->
/// partials[group][k][channel]. `shared` holds kRowThreads * V floats and is used once a kind. Double
/// precision in the order of the lanes.
template <int V, int kKinds>
__device__ __forceinline__ void block_sums(const float (&sums)[kKinds][V], const RowPlace& place,
                                           const RowCut& cut, int channels, int kinds_in_memory,
                                           float* shared, float* partials) {
  const int width = cut.lanes_c * V;
  const int thread = static_cast<int>(threadIdx.x);
  const int channel = static_cast<int>(blockIdx.y) * width + thread;
  QCF_UNROLL
  for (int k = 0; k < kKinds; ++k) {
    if (k > 0) __syncthreads();  // the sums of the kind before have been read
    QCF_UNROLL
    for (int i = 0; i < V; ++i) shared[place.lane_r * width + place.lane_c * V + i] = sums[k][i];
    __syncthreads();
    if (thread < width && channel < channels) {
      double total = 0;
      for (int lane = 0; lane < cut.lanes_r; ++lane)
        total += static_cast<double>(shared[lane * width + thread]);
      const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kinds_in_memory + k;
      partials[row * channels + channel] = static_cast<float>(total);
    }
  }
}

// Merging the groups: a block of kMergeChannels x kMergeLanes threads; lane l takes groups l, l +
// kMergeLanes, ...
inline constexpr int kMergeChannels = 32;
inline constexpr int kMergeLanes = 16;
inline constexpr int kMergeThreads = kMergeChannels * kMergeLanes;

/// Sum over the lanes of this thread's channel, in the order of the lanes; every thread gets it. `shared`
/// holds kMergeThreads doubles and is free again afterwards.
__device__ __forceinline__ double merge_lanes(double value, double* shared) {
  const int thread = static_cast<int>(threadIdx.x);
  shared[thread] = value;
  __syncthreads();
  double total = 0;
  for (int lane = 0; lane < kMergeLanes; ++lane)
    total += shared[lane * kMergeChannels + thread % kMergeChannels];
  __syncthreads();
  return total;
}

inline int merge_blocks(int channels) { return (channels + kMergeChannels - 1) / kMergeChannels; }

}  // namespace qcface::nn::cuda
