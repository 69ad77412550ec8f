// Body of the pointwise kernels; included once for each instruction set with QCFACE_KERNELS_8, QCFACE_KERNELS_16
// and QCFACE_KERNELS_NAME defined. Everything is in an unnamed namespace, so that the linker cannot mix the sets.
#include "nn/cpu/pointwise_kernels.h"

namespace qcface::nn::cpu {
namespace {

template <int B>
struct VectorOf {
  typedef float type __attribute__((vector_size(B * sizeof(float)), aligned(4), may_alias));
};
template <int B>
using Vec = typename VectorOf<B>::type;

template <int B>
inline const Vec<B>& load(const float* p) {
  return *reinterpret_cast<const Vec<B>*>(p);
}
template <int B>
inline Vec<B>& at(float* p) {
  return *reinterpret_cast<Vec<B>*>(p);
}

// Pixels whose sums are kept in single precision before they go to double: short enough that rounding stays near
// one unit, and a run of them stays in the first cache between the two passes.
constexpr std::int64_t kRun = 128;

template <int B>
inline void add_to(double* sums, const Vec<B>& values) {
  for (int c = 0; c < B; ++c) sums[c] += static_cast<double>(values[c]);
}

template <int B>
void statistics(const float* x, std::int64_t pixels, double* sums) {
  for (int c = 0; c < 2 * B; ++c) sums[c] = 0;
  for (std::int64_t start = 0; start < pixels; start += kRun) {
    const std::int64_t count = pixels - start < kRun ? pixels - start : kRun;
    const float* const run = x + start * B;
    Vec<B> s0{}, s1{}, s2{}, s3{};
    std::int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
      s0 += load<B>(run + i * B);
      s1 += load<B>(run + (i + 1) * B);
      s2 += load<B>(run + (i + 2) * B);
      s3 += load<B>(run + (i + 3) * B);
    }
    for (; i < count; ++i) s0 += load<B>(run + i * B);
    const Vec<B> total = (s0 + s1) + (s2 + s3);
    const Vec<B> mean = total / static_cast<float>(count);
    s0 = s1 = s2 = s3 = Vec<B>{};
    Vec<B> r0{}, r1{};  // what is left of the deviations: the rounding of the mean
    for (i = 0; i + 2 <= count; i += 2) {
      const Vec<B> d0 = load<B>(run + i * B) - mean;
      const Vec<B> d1 = load<B>(run + (i + 1) * B) - mean;
      r0 += d0;
      r1 += d1;
      s0 += d0 * d0;
      s1 += d1 * d1;
    }
    for (; i < count; ++i) {
      const Vec<B> d0 = load<B>(run + i * B) - mean;
      r0 += d0;
      s0 += d0 * d0;
    }
    r0 += r1;
    s0 += s1;
    for (int c = 0; c < B; ++c) {
      const double m = static_cast<double>(mean[c]), r = static_cast<double>(r0[c]),
                   k = static_cast<double>(count);
      sums[c] += k * m + r;
      sums[B + c] += static_cast<double>(s0[c]) + m * (2 * r + k * m);
    }
  }
}

template <int B, bool kResidual, bool kSlope>
void forward_loop(const float* x, const float* residual, float* y, std::int64_t pixels,
                  const PlaneCoefficients& k) {
  const Vec<B> a = load<B>(k.a), b = load<B>(k.b), zero{};
  Vec<B> slope{};
  if (kSlope) slope = load<B>(k.slope);
  for (std::int64_t i = 0; i < pixels; ++i) {
    Vec<B> u = a * load<B>(x + i * B) + b;
    if (kResidual) u += load<B>(residual + i * B);
    if (kSlope) u = u > zero ? u : u * slope;
    at<B>(y + i * B) = u;
  }
}

template <int B>
void forward(const float* x, const float* residual, float* y, std::int64_t pixels,
             const PlaneCoefficients& k) {
  if (residual) {
    k.slope ? forward_loop<B, true, true>(x, residual, y, pixels, k)
            : forward_loop<B, true, false>(x, residual, y, pixels, k);
  } else {
    k.slope ? forward_loop<B, false, true>(x, nullptr, y, pixels, k)
            : forward_loop<B, false, false>(x, nullptr, y, pixels, k);
  }
}

template <int B, bool kSlope>
void sums_loop(const float* x, const float* dy, std::int64_t pixels, const PlaneCoefficients& k,
               double* sums) {
  const Vec<B> mean = load<B>(k.mean), zero{};
  Vec<B> a{}, b{}, slope{};
  if (kSlope) {
    a = load<B>(k.a);
    b = load<B>(k.b);
    slope = load<B>(k.slope);
  }
  for (std::int64_t start = 0; start < pixels; start += kRun) {
    const std::int64_t end = pixels - start < kRun ? pixels : start + kRun;
    Vec<B> s0{}, s1{}, t0{}, t1{}, g0{}, g1{};
    std::int64_t i = start;
    const auto one = [&](std::int64_t p, Vec<B>& s, Vec<B>& t, Vec<B>& g) {
      const Vec<B> v = load<B>(x + p * B);
      Vec<B> d = load<B>(dy + p * B);
      if (kSlope) {
        const Vec<B> u = a * v + b;
        g += u > zero ? zero : d * u;
        d = u > zero ? d : d * slope;
      }
      s += d;
      t += d * (v - mean);
    };
    for (; i + 2 <= end; i += 2) {
      one(i, s0, t0, g0);
      one(i + 1, s1, t1, g1);
    }
    for (; i < end; ++i) one(i, s0, t0, g0);
    add_to<B>(sums, s0 + s1);
    add_to<B>(sums + B, t0 + t1);
    if (kSlope) add_to<B>(sums + 2 * B, g0 + g1);
  }
}

template <int B>
void backward_sums(const float* x, const float* dy, std::int64_t pixels, const PlaneCoefficients& k,
                   double* sums) {
  for (int c = 0; c < 3 * B; ++c) sums[c] = 0;
  k.slope ? sums_loop<B, true>(x, dy, pixels, k, sums) : sums_loop<B, false>(x, dy, pixels, k, sums);
}

template <int B, bool kAccumulate, bool kSlope>
void backward_loop(const float* x, const float* dy, float* dx, std::int64_t pixels,
                   const PlaneCoefficients& k) {
  const Vec<B> a = load<B>(k.a), mean = load<B>(k.mean), c1 = load<B>(k.c1), c2 = load<B>(k.c2), zero{};
  Vec<B> b{}, slope{};
  if (kSlope) {
    b = load<B>(k.b);
    slope = load<B>(k.slope);
  }
  for (std::int64_t i = 0; i < pixels; ++i) {
    const Vec<B> v = load<B>(x + i * B);
    Vec<B> d = load<B>(dy + i * B);
    if (kSlope) d = a * v + b > zero ? d : d * slope;
    Vec<B> g = a * d + (c1 * (v - mean) + c2);
    if (kAccumulate) g += load<B>(dx + i * B);
    at<B>(dx + i * B) = g;
  }
}

template <int B>
void backward(const float* x, const float* dy, float* dx, bool accumulate, std::int64_t pixels,
              const PlaneCoefficients& k) {
  if (accumulate) {
    k.slope ? backward_loop<B, true, true>(x, dy, dx, pixels, k)
            : backward_loop<B, true, false>(x, dy, dx, pixels, k);
  } else {
    k.slope ? backward_loop<B, false, true>(x, dy, dx, pixels, k)
            : backward_loop<B, false, false>(x, dy, dx, pixels, k);
  }
}

}  // namespace

const PointwiseKernels detail::QCFACE_KERNELS_8{QCFACE_KERNELS_NAME, 8,          statistics<8>, forward<8>,
                                                backward_sums<8>,    backward<8>};
const PointwiseKernels detail::QCFACE_KERNELS_16{
    QCFACE_KERNELS_NAME, 16, statistics<16>, forward<16>, backward_sums<16>, backward<16>};

}  // namespace qcface::nn::cpu
