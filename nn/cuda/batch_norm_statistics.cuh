// Running sums of a thread for the mean and the squared deviations of its channels, and their merge over a
// block.
//
// Each thread sums deviations from the first value it sees, v - s and (v - s)^2: two operations a value, no
// division, and what cancels in sum (v - s)^2 - (sum (v - s))^2 / n is bounded: s is one of the n values, so
// the difference is at least 1/n of the first term. Across threads and groups the (mean, squared deviations)
// pairs are merged in double precision about the first pair's mean, in a fixed order.
#pragma once

#include "nn/cuda/rows.cuh"

namespace qcface::nn::cuda {

template <int V>
struct Moments {
  float shift[V], sum[V], squares[V];

  __device__ __forceinline__ void clear() {
    QCF_UNROLL
    for (int i = 0; i < V; ++i) shift[i] = sum[i] = squares[i] = 0;
  }
  __device__ __forceinline__ void start(int i, float value) { shift[i] = value; }
  __device__ __forceinline__ void add(int i, float value) {
    const float d = value - shift[i];
    sum[i] += d;
    squares[i] = fmaf(d, d, squares[i]);
  }
};

/// Pairs of all threads -> partials[group][0: mean, 1: sum of squared deviations][channel]. `shared` holds
/// 2 * kRowThreads * V floats.
template <int V>
__device__ __forceinline__ void block_moments(const Moments<V>& moments, const RowPlace& place,
                                              const RowCut& cut, int channels, float* shared,
                                              float* partials) {
  const int width = cut.lanes_c * V;
  const std::int64_t rows = place.end - place.begin;
  float* const means = shared;
  float* const deviations = shared + kRowThreads * V;
  const int count = lane_rows(rows, place.lane_r, cut.lanes_r);
  const float inverse = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
  QCF_UNROLL
  for (int i = 0; i < V; ++i) {
    const int at = place.lane_r * width + place.lane_c * V + i;
    const float mean = moments.sum[i] * inverse;
    const float left = moments.squares[i] - moments.sum[i] * mean;
    means[at] = moments.shift[i] + mean;
    deviations[at] = left < 0 ? 0.0f : left;  // rounding of a constant channel; a NaN passes through
  }
  __syncthreads();
  const int thread = static_cast<int>(threadIdx.x);
  const int channel = static_cast<int>(blockIdx.y) * width + thread;
  if (thread >= width || channel >= channels) return;
  const double first = static_cast<double>(means[thread]);
  double sum = 0, squares = 0;
  for (int lane = 0; lane < cut.lanes_r; ++lane) {
    const double n = lane_rows(rows, lane, cut.lanes_r);
    if (n == 0) break;
    const double d = static_cast<double>(means[lane * width + thread]) - first;
    sum += n * d;
    squares += static_cast<double>(deviations[lane * width + thread]) + n * d * d;
  }
  const double n = static_cast<double>(rows);
  const double left = squares - sum * sum / n;
  float* const out = partials + static_cast<std::int64_t>(blockIdx.x) * 2 * channels;
  out[channel] = static_cast<float>(first + sum / n);
  out[channels + channel] = static_cast<float>(left < 0 ? 0.0 : left);
}

}  // namespace qcface::nn::cuda
