// Rows divided by their length, in the operand type. Why: the products then give cosines, and the 16-bit operands use
// their whole range whatever the rows' scale. One warp a row; the row is read twice, from L1 the second time.
// Bytes a row: reads 4 D, writes 4 D or 2 D (columns up to a multiple of 8 are zeroed).
// A length that the caller keeps is summed in double, since cosines near 1 are made of it. Others are summed with their
// rounding errors (compensated.cuh), and in double where a square would leave the range of fp32.
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launches.h"
#include "kernels/device/compensated.cuh"
#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/types.cuh"
#include "kernels/heads/row.h"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kRowsPerBlock = 4;

template <class T, int kWide>
__global__ __launch_bounds__(32 * kRowsPerBlock) void unit_rows_kernel(
    std::int64_t rows, std::int64_t d, std::int64_t stride, const float* __restrict__ matrix,
    const std::int64_t* places, std::int64_t matrix_rows, T* unit, double* length, ErrorRecord* errors,
    ErrorTensor tensor) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32;
  if (row >= rows) return;  // whole warps
  std::int64_t place = places != nullptr ? places[row] : row;
  if (place < 0 || place >= matrix_rows) place = 0;  // prepare has recorded the error
  const float* const from = matrix + place * d;
  double square = 0;
  bool wide = length != nullptr;
  if (!wide) {
    ProductSum squares;
    for (std::int64_t k = lane * kWide; k < d; k += 32 * kWide) {
      const auto v = load<float, 4 * kWide>(from + k);
      QCF_UNROLL
      for (int e = 0; e < kWide; ++e) squares.add(v[e], v[e]);
    }
    square = warp_sum(squares.value());
    wide = !ProductSum::in_range(square);
  }
  if (wide) square = warp_sum(wide_product<kWide>(from, from, d));
  const double norm = sqrt(square);
  if (lane == 0) {
    if (length != nullptr) length[row] = norm;
    if (errors != nullptr && !(norm <= 1e300)) record_error(errors, tensor, row);
  }
  const UnitScale scale(inverse_length(norm), wide);  // NaN or infinity anywhere gives a row that holds NaN
  T* const to = unit + row * stride;
  for (std::int64_t k = lane * kWide; k < d; k += 32 * kWide) {
    const auto v = load<float, 4 * kWide>(from + k);
    Vector<T, kWide* static_cast<int>(sizeof(T))> out;
    QCF_UNROLL
    for (int e = 0; e < kWide; ++e) out.set(e, scale(v[e]));
    store(to + k, out);
  }
  for (std::int64_t k = d + lane; k < stride; k += 32) to[k] = from_float<T>(0.0f);
}

}  // namespace

cudaError_t unit_rows(std::int64_t rows, std::int64_t d, std::int64_t stride, const float* matrix,
                      const std::int64_t* places, std::int64_t matrix_rows, qcf_type type, void* unit,
                      double* length, ErrorRecord* errors, ErrorTensor tensor, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>((rows + kRowsPerBlock - 1) / kRowsPerBlock);
  return for_operand(type, [&](auto operand) {
    using T = typename decltype(operand)::type;
    // unit is 64-byte aligned or the caller's (then 16-byte), its rows a multiple of 8 elements apart or D itself
    const bool wide =
        vector_aligned(matrix, d) && vector_aligned<4 * sizeof(T)>(static_cast<const T*>(unit), stride);
    return launch(wide ? unit_rows_kernel<T, 4> : unit_rows_kernel<T, 1>, grid, 32 * kRowsPerBlock, 0, stream,
                  rows, d, stride, matrix, places, matrix_rows, static_cast<T*>(unit), length, errors,
                  tensor);
  });
}

}  // namespace qcface::kernels::cuda
