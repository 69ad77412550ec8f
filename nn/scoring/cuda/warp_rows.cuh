// Kernels in which a warp works on a row.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/types.cuh"

namespace qcface::nn::cuda {

inline constexpr int kWarpRows = 8;  // rows (warps) of a block
inline constexpr int kWarpRowThreads = 32 * kWarpRows;
inline constexpr double kNoScore = -std::numeric_limits<double>::infinity();

__device__ __forceinline__ int lane_of_warp() { return static_cast<int>(threadIdx.x % 32); }
/// The first row of this warp, and how many warps there are; blockDim.x / 32 rows a block.
__device__ __forceinline__ std::int64_t first_warp_row() {
  return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
}
__device__ __forceinline__ std::int64_t all_warp_rows() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x / 32;
}

inline dim3 warp_row_grid(std::int64_t rows, int rows_of_block = kWarpRows) {
  const std::int64_t blocks = (rows + rows_of_block - 1) / rows_of_block;
  return dim3(static_cast<unsigned>(std::clamp<std::int64_t>(blocks, 1, 1 << 20)));
}

}  // namespace qcface::nn::cuda
