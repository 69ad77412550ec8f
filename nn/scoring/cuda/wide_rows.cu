// Raw rows in double, and their lengths.
//
// Bytes moved: the raw rows once, 8 bytes a value out where values are asked for.
#include "nn/cuda/check.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/warp_rows.cuh"

namespace qcface::nn::cuda {
namespace {

template <class T>
__global__ __launch_bounds__(kWarpRowThreads) void widen_kernel(const T* __restrict__ raw, std::int64_t count,
                                                                std::int64_t width, std::int64_t padded_width,
                                                                double* __restrict__ values,
                                                                double* __restrict__ lengths,
                                                                double* __restrict__ squares) {
  const int lane = lane_of_warp();
  for (std::int64_t row = first_warp_row(); row < count; row += all_warp_rows()) {
    double sum = 0;
#ifdef __CUDACC__
#pragma unroll 1  // four loads in flight do not fit beside the square root's call: sm_80 spilled
#endif
    for (std::int64_t d = lane; d < padded_width; d += 32) {
      const double v = d < width ? static_cast<double>(raw[row * width + d]) : 0.0;
      sum += v * v;
      if (values != nullptr) values[row * padded_width + d] = v;
    }
    sum = qcface::cuda::warp_sum(sum);
    if (lane != 0) continue;
    lengths[row] = sqrt(sum);
    if (squares != nullptr) squares[row] = sum;
  }
}

}  // namespace

void widen_rows(const float* f32, const double* f64, std::int64_t count, std::int64_t width,
                std::int64_t padded_width, double* values, double* lengths, double* squares,
                cudaStream_t stream) {
  if (count == 0) return;
  const dim3 grid = warp_row_grid(count), block(kWarpRowThreads);
  check_launch(f32 != nullptr ? qcface::cuda::launch(widen_kernel<float>, grid, block, 0, stream, f32, count,
                                                     width, padded_width, values, lengths, squares)
                              : qcface::cuda::launch(widen_kernel<double>, grid, block, 0, stream, f64, count,
                                                     width, padded_width, values, lengths, squares),
               "widen_rows");
}

}  // namespace qcface::nn::cuda
