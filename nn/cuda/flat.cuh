// Grids over flat arrays: each thread handles kFlatVector neighbouring values at a time, the last thread the
// remainder.
#pragma once

#include <algorithm>

#include "nn/cuda/row_cut.h"
#include "nn/cuda/values.cuh"

namespace qcface::nn::cuda {

inline constexpr int kFlatThreads = 256;
inline constexpr int kFlatVector = 8;  // 16 bytes of a 16-bit type, twice that of fp32

/// 8 values: one access of 16 bytes, or two.
template <class T>
__device__ __forceinline__ void load_eight(float (&to)[kFlatVector], const T* at) {
  constexpr int kWide = kWideVector<T>;
  QCF_UNROLL
  for (int part = 0; part < kFlatVector; part += kWide) {
    const auto pack = load_pack<T, kWide>(at + part);
    QCF_UNROLL
    for (int i = 0; i < kWide; ++i) to[part + i] = pack.get(i);
  }
}
template <class T>
__device__ __forceinline__ void store_eight(T* at, const float (&from)[kFlatVector]) {
  constexpr int kWide = kWideVector<T>;
  QCF_UNROLL
  for (int part = 0; part < kFlatVector; part += kWide) {
    float values[kWide];
    QCF_UNROLL
    for (int i = 0; i < kWide; ++i) values[i] = from[part + i];
    store(at + part, narrow_pack<T, kWide>(values));
  }
}

/// Number of this thread and of all threads.
__device__ __forceinline__ std::int64_t flat_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * kFlatThreads + threadIdx.x;
}
__device__ __forceinline__ std::int64_t flat_threads() {
  return static_cast<std::int64_t>(gridDim.x) * kFlatThreads;
}

/// Blocks for `items` (vectors) of work, one a thread, at most `most`.
inline dim3 flat_grid(std::int64_t items, std::int64_t most = 1 << 20) {
  const std::int64_t blocks = (items + kFlatThreads - 1) / kFlatThreads;
  return dim3(static_cast<unsigned>(std::max<std::int64_t>(1, std::min(blocks, most))));
}
/// The same for `count` values.
inline dim3 flat_grid_of_values(std::int64_t count, std::int64_t most = 1 << 20) {
  return flat_grid((count + kFlatVector - 1) / kFlatVector, most);
}

}  // namespace qcface::nn::cuda
