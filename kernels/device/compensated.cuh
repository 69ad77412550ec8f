// Sums of products and scaling in fp32 with what rounding loses kept, for places that would otherwise convert every element
// to double. Why: a GPU converts between fp32 and double at 16 values a cycle and multiprocessor and does fp32 at 128, so
// double costs more cycles than the products that feed it. In cycles of a multiprocessor an element, one product summed:
//   double       2 conversions (one for a square) and 1 fma      0.14 (0.08)
//   ProductSum   4 fp32 operations                               0.03
// and one element scaled by a double:
//   double       2 conversions and 1 multiplication              0.14
//   UnitScale    2 fp32 operations                               0.02
// The class update sums two products and a square and scales once: 0.38 against 0.11. For 93,431 x 512 class weights on
// 132 multiprocessors at 1.755 GHz that is 78 against 23 us, which the second pass of the fused plans cannot hide.
//
// Accuracy: a product that is smaller than the sum before it leaves no error behind; a larger one leaves 2^-24 of itself.
// For a row of hundreds of elements 1e-9 of the sum is typical and 2^-23 of the sum of magnitudes the bound for squares.
// Range: outside kLeast .. kMost the caller takes doubles, so that no square overflows or vanishes.
#pragma once

#include "kernels/device/device.cuh"
#include "kernels/device/types.cuh"

namespace qcface::cuda {

struct ProductSum {
  static constexpr double kLeast = 1e-20, kMost = 1e30;  // of a sum of squares
  float high = 0.0f, low = 0.0f;

  __device__ __forceinline__ void add(float a, float b) {
    const float before = high;
    high = fmaf(a, b, before);
    low += fmaf(a, b, before - high);
  }
  __device__ __forceinline__ double value() const {
    return static_cast<double>(high) + static_cast<double>(low);
  }
  /// False for NaN too.
  __device__ __forceinline__ static bool in_range(double square) {
    return square >= kLeast && square <= kMost;
  }
};

/// This lane's part of a . b in double, for what is out of range; the lanes of a warp share a row of d elements, kWide
/// neighbours each in turn.
template <int kWide>
__device__ __forceinline__ double wide_product(const float* a, const float* b, std::int64_t d) {
  double sum = 0;
  for (std::int64_t k = static_cast<int>(threadIdx.x) % 32 * kWide; k < d; k += 32 * kWide) {
    const auto va = load<float, 4 * kWide>(a + k), vb = load<float, 4 * kWide>(b + k);
    QCF_UNROLL
    for (int e = 0; e < kWide; ++e) sum += static_cast<double>(va[e]) * static_cast<double>(vb[e]);
  }
  return sum;
}

/// v * inv rounded once, give or take 2^-46; `wide`: by a double product, for factors that fp32 does not hold.
struct UnitScale {
  double inv;
  float high, low;
  bool wide;

  __device__ __forceinline__ UnitScale(double factor, bool by_double)
      : inv(factor),
        high(static_cast<float>(factor)),
        low(static_cast<float>(factor - static_cast<double>(high))),
        wide(by_double) {}
  __device__ __forceinline__ float operator()(float v) const {
    return wide ? static_cast<float>(static_cast<double>(v) * inv) : fmaf(v, high, v * low);
  }
};

}  // namespace qcface::cuda
