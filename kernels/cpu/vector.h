// One SIMD register of QCF_VECTOR_FLOATS floats, by the vector extension of GCC and Clang; other compilers get an array
// and their own vectoriser. Included once per instruction set (tile_impl.h), hence the unnamed namespace.
#pragma once

#include <cstddef>

#include "kernels/device/host_device.h"

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace qcface::kernels {
namespace {

inline constexpr int kLanes = QCF_VECTOR_FLOATS;

#if defined(__GNUC__) && !defined(QCF_NO_VECTOR_EXTENSION)
typedef float Vec __attribute__((vector_size(QCF_VECTOR_FLOATS * sizeof(float))));
typedef float UnalignedVec
    __attribute__((vector_size(QCF_VECTOR_FLOATS * sizeof(float)), aligned(4), may_alias));
QCF_HD Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
QCF_HD void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
QCF_HD Vec splat(float x) { return x - Vec{}; }
QCF_HD Vec clamp_unit(Vec v) {
  const Vec one = splat(1.0f);
  v = v > one ? one : v;
  return v < -one ? -one : v;
}
#else
struct Vec {
  float lane[QCF_VECTOR_FLOATS];
};
#define QCF_LANEWISE(expression)                                          \
  Vec out;                                                                \
  for (int i = 0; i < QCF_VECTOR_FLOATS; ++i) out.lane[i] = (expression); \
  return out
QCF_HD Vec load(const float* p) { QCF_LANEWISE(p[i]); }
QCF_HD void store(float* p, Vec v) {
  for (int i = 0; i < QCF_VECTOR_FLOATS; ++i) p[i] = v.lane[i];
}
QCF_HD Vec splat(float x) { QCF_LANEWISE(x); }
QCF_HD Vec operator+(Vec a, Vec b) { QCF_LANEWISE(a.lane[i] + b.lane[i]); }
QCF_HD Vec operator-(Vec a, Vec b) { QCF_LANEWISE(a.lane[i] - b.lane[i]); }
QCF_HD Vec operator*(Vec a, Vec b) { QCF_LANEWISE(a.lane[i] * b.lane[i]); }
QCF_HD Vec& operator+=(Vec& a, Vec b) { return a = a + b; }
QCF_HD Vec clamp_unit(Vec v) {
  QCF_LANEWISE(v.lane[i] > 1.0f ? 1.0f : (v.lane[i] < -1.0f ? -1.0f : v.lane[i]));
}
#undef QCF_LANEWISE
#endif

/// A store past the caches; p is aligned to the register.
QCF_HD void stream(float* p, Vec v) {
#if defined(QCF_NO_VECTOR_EXTENSION) || !defined(__SSE__)
  store(p, v);
#elif QCF_VECTOR_FLOATS == 16
  _mm512_stream_ps(p, (__m512)v);
#elif QCF_VECTOR_FLOATS == 8
  _mm256_stream_ps(p, (__m256)v);
#else
  _mm_stream_ps(p, (__m128)v);
#endif
}

QCF_HD void stream_fence() {
#if defined(__SSE__)
  _mm_sfence();
#endif
}

/// Fetches the line of p into the second-level cache.
QCF_HD void prefetch(const float* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 2);
#else
  (void)p;
#endif
}

}  // namespace
}  // namespace qcface::kernels
