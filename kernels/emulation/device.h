// CUDA's keywords and device functions for the host compiler, in the global namespace. Kernels include
// kernels/device/device.cuh instead.
#pragma once

#include <math.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/emulation/scheduler.h"

// __shared__ is left undefined on purpose: it must be QCF_SHARED or QCF_DYNAMIC_SHARED. So is __noinline__,
// which the standard library's own attributes spell.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))

#define QCF_EMULATED_SITE const qcface::emulation::Site& site = qcface::emulation::Site::current()

// ---- barriers ---------------------------------------------------------------------------------------------
inline void __syncthreads(QCF_EMULATED_SITE) {
  qcface::emulation::barrier_sync(0, 0, false, "__syncthreads", site);
}
inline int __syncthreads_count(int predicate, QCF_EMULATED_SITE) {
  return qcface::emulation::barrier_sync(0, 0, predicate != 0, "__syncthreads_count", site).yes;
}
inline int __syncthreads_or(int predicate, QCF_EMULATED_SITE) {
  return qcface::emulation::barrier_sync(0, 0, predicate != 0, "__syncthreads_or", site).yes != 0;
}
inline int __syncthreads_and(int predicate, QCF_EMULATED_SITE) {
  const auto count = qcface::emulation::barrier_sync(0, 0, predicate != 0, "__syncthreads_and", site);
  return count.yes == count.all;
}
inline void __syncwarp(unsigned mask = ~0u, QCF_EMULATED_SITE) { qcface::emulation::syncwarp(mask, site); }
inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { qcface::emulation::fail("__trap()"); }

// ---- shuffles and votes -----------------------------------------------------------------------------------
namespace qcface::emulation {
template <class T>
T shuffled(unsigned mask, T value, int source, bool keep, const char* what, const Site& site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16);
  shuffle(mask, &value, sizeof(T), source, keep, what, site);
  return value;
}
}  // namespace qcface::emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, QCF_EMULATED_SITE) {
  const int segment = qcface::emulation::lane_index() & ~(width - 1);
  return qcface::emulation::shuffled(mask, value, segment + (source & (width - 1)), false, "__shfl_sync",
                                     site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, QCF_EMULATED_SITE) {
  const int lane = qcface::emulation::lane_index(), source = lane ^ lane_mask;
  const bool keep = (source & ~(width - 1)) > (lane & ~(width - 1));
  return qcface::emulation::shuffled(mask, value, source, keep, "__shfl_xor_sync", site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, QCF_EMULATED_SITE) {
  const int lane = qcface::emulation::lane_index(), step = static_cast<int>(delta);
  const bool keep = (lane & (width - 1)) + step >= width;
  return qcface::emulation::shuffled(mask, value, lane + step, keep, "__shfl_down_sync", site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, QCF_EMULATED_SITE) {
  const int lane = qcface::emulation::lane_index(), step = static_cast<int>(delta);
  const bool keep = (lane & (width - 1)) < step;
  return qcface::emulation::shuffled(mask, value, lane - step, keep, "__shfl_up_sync", site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, QCF_EMULATED_SITE) {
  return qcface::emulation::ballot(mask, predicate != 0, "__ballot_sync", site);
}
inline int __any_sync(unsigned mask, int predicate, QCF_EMULATED_SITE) {
  return qcface::emulation::ballot(mask, predicate != 0, "__any_sync", site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, QCF_EMULATED_SITE) {
  return qcface::emulation::ballot(mask, predicate == 0, "__all_sync", site) == 0;
}

// ---- memory -----------------------------------------------------------------------------------------------
// clang-format off
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> T __ldca(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> T __ldlu(const T* p) { return *p; }
template <class T> void __stcg(T* p, std::type_identity_t<T> v) { *p = v; }
template <class T> void __stcs(T* p, std::type_identity_t<T> v) { *p = v; }
template <class T> void __stwb(T* p, std::type_identity_t<T> v) { *p = v; }
// clang-format on

namespace qcface::emulation {
/// A relaxed compare-and-swap loop: ThreadSanitizer then knows an atomic for what it is.
template <class T, class Change>
T read_modify_write(T* address, Change change) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  auto* const word = reinterpret_cast<Bits*>(address);
  Bits old = __atomic_load_n(word, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(word, &old,
                                      std::bit_cast<Bits>(static_cast<T>(change(std::bit_cast<T>(old)))),
                                      false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return std::bit_cast<T>(old);
}
}  // namespace qcface::emulation

template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return qcface::emulation::read_modify_write(address, [value](T old) { return old + value; });
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return qcface::emulation::read_modify_write(address, [value](T old) { return old > value ? old : value; });
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return qcface::emulation::read_modify_write(address, [value](T old) { return old < value ? old : value; });
}
template <class T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return qcface::emulation::read_modify_write(address, [value](T old) { return old | value; });
}
template <class T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return qcface::emulation::read_modify_write(address, [value](T old) { return old & value; });
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return qcface::emulation::read_modify_write(address, [value](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return qcface::emulation::read_modify_write(address, [=](T old) { return old == expected ? value : old; });
}

// ---- integer and bit functions ----------------------------------------------------------------------------
// clang-format off
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline unsigned __brev(unsigned x) { unsigned r = 0; for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i); return r; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(std::uint64_t{a} * b >> 32); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }

// ---- floating-point functions -----------------------------------------------------------------------------
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __frsqrt_rn(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }  // NaN gives 0
// glibc declares these names and exports none of them, so they cannot be functions here.
#define __expf(x) ::expf(x)
#define __exp10f(x) ::exp10f(x)
#define __logf(x) ::logf(x)
#define __log2f(x) ::log2f(x)
#define __log10f(x) ::log10f(x)
#define __sinf(x) ::sinf(x)
#define __cosf(x) ::cosf(x)
#define __tanf(x) ::tanf(x)
#define __powf(x, y) ::powf(x, y)

// CUDA's min and max: fmin and fmax for floating types (a NaN loses), both arguments unsigned where one is.
#define QCF_MIN_MAX(R, A, B) \
  constexpr R min(A a, B b) { return static_cast<R>(a) < static_cast<R>(b) ? static_cast<R>(a) : static_cast<R>(b); } \
  constexpr R max(A a, B b) { return static_cast<R>(a) > static_cast<R>(b) ? static_cast<R>(a) : static_cast<R>(b); }
QCF_MIN_MAX(int, int, int)
QCF_MIN_MAX(unsigned, unsigned, unsigned)
QCF_MIN_MAX(unsigned, int, unsigned)
QCF_MIN_MAX(unsigned, unsigned, int)
QCF_MIN_MAX(long, long, long)
QCF_MIN_MAX(unsigned long, unsigned long, unsigned long)
QCF_MIN_MAX(unsigned long, long, unsigned long)
QCF_MIN_MAX(unsigned long, unsigned long, long)
QCF_MIN_MAX(long long, long long, long long)
QCF_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
QCF_MIN_MAX(unsigned long long, long long, unsigned long long)
QCF_MIN_MAX(unsigned long long, unsigned long long, long long)
#undef QCF_MIN_MAX
inline float min(float a, float b) { return ::fminf(a, b); }
inline float max(float a, float b) { return ::fmaxf(a, b); }
inline double min(double a, double b) { return ::fmin(a, b); }
inline double max(double a, double b) { return ::fmax(a, b); }
inline double min(float a, double b) { return ::fmin(static_cast<double>(a), b); }
inline double max(float a, double b) { return ::fmax(static_cast<double>(a), b); }
inline double min(double a, float b) { return ::fmin(a, static_cast<double>(b)); }
inline double max(double a, float b) { return ::fmax(a, static_cast<double>(b)); }
// clang-format on

// ---- shared memory ----------------------------------------------------------------------------------------
namespace qcface::emulation {
/// One array a block for each place in the source (Tag is a lambda type, so each template instance has its
/// own).
template <class A, class Tag>
A& static_shared(Tag) {
  static const char key = 0;
  return *static_cast<A*>(static_shared_slot(&key, sizeof(A), alignof(A)));
}
}  // namespace qcface::emulation
