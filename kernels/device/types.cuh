// Element types of tensors (float, __half, __nv_bfloat16): conversion and 16-byte access.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
__device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

/// To nearest even.
template <class T>
__device__ __forceinline__ T from_float(float v);
template <>
__device__ __forceinline__ float from_float<float>(float v) {
  return v;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float v) {
  return __float2half_rn(v);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

/// Two 16-bit values in one register, the first in the low half, as ldmatrix and mma hold them.
template <class T>
__device__ __forceinline__ std::uint32_t pack2(float low, float high);
template <>
__device__ __forceinline__ std::uint32_t pack2<__half>(float low, float high) {
  return __half_as_ushort(__float2half_rn(low)) |
         static_cast<std::uint32_t>(__half_as_ushort(__float2half_rn(high))) << 16;
}
template <>
__device__ __forceinline__ std::uint32_t pack2<__nv_bfloat16>(float low, float high) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(low)) |
         static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}

template <class T>
__device__ __forceinline__ float2 unpack2(std::uint32_t both);
template <>
__device__ __forceinline__ float2 unpack2<__half>(std::uint32_t both) {
  return make_float2(__half2float(__ushort_as_half(static_cast<unsigned short>(both & 0xFFFFu))),
                     __half2float(__ushort_as_half(static_cast<unsigned short>(both >> 16))));
}
template <>
__device__ __forceinline__ float2 unpack2<__nv_bfloat16>(std::uint32_t both) {
  return make_float2(__uint_as_float(both << 16), __uint_as_float(both & 0xFFFF0000u));
}

/// `Bytes` bytes of T that are read and written at once; the address must be a multiple of Bytes.
template <class T, int Bytes = 16>
struct alignas(Bytes) Vector {
  static constexpr int kSize = Bytes / static_cast<int>(sizeof(T));
  T values[kSize];

  __device__ __forceinline__ T& operator[](int i) { return values[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return values[i]; }
  __device__ __forceinline__ float get(int i) const { return to_float(values[i]); }
  __device__ __forceinline__ void set(int i, float v) { values[i] = from_float<T>(v); }
};

namespace detail {
template <int Bytes>
struct Word;
template <>
struct Word<16> {
  using type = uint4;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<4> {
  using type = unsigned;
};
template <>
struct Word<2> {
  using type = unsigned short;
};

template <class To, class From>
__device__ __forceinline__ To reinterpret_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
#ifdef QCF_EMULATE
  std::memcpy(static_cast<void*>(&to), &from, sizeof(To));
#else
  memcpy(&to, &from, sizeof(To));
#endif
  return to;
}

#ifdef QCF_EMULATE
// Memory of another type may not be read as words here (strict aliasing), so the address is checked and the
// bytes copied.
template <int Bytes, class P>
P* aligned(P* p, const emulation::Site& site) {
  if (reinterpret_cast<std::uintptr_t>(p) % Bytes != 0) {
    emulation::fail("%s:%u: vector access of %d bytes at the misaligned address %p", site.file_name(),
                    site.line(), Bytes, static_cast<const void*>(p));
  }
  return p;
}
#endif
}  // namespace detail

template <class T, int Bytes = 16>
__device__ __forceinline__ Vector<T, Bytes> load(const T* p QCF_SITE) {
#ifdef QCF_EMULATE
  Vector<T, Bytes> v;
  for (int i = 0; i < Vector<T, Bytes>::kSize; ++i) v.values[i] = detail::aligned<Bytes>(p, site)[i];
  return v;
#else
  using W = typename detail::Word<Bytes>::type;
  return detail::reinterpret_bits<Vector<T, Bytes> >(*reinterpret_cast<const W*>(p));
#endif
}

/// Through the read-only path: nothing in the kernel writes there.
template <class T, int Bytes = 16>
__device__ __forceinline__ Vector<T, Bytes> load_readonly(const T* p QCF_SITE) {
#ifdef QCF_EMULATE
  return load<T, Bytes>(p, site);
#else
  using W = typename detail::Word<Bytes>::type;
  return detail::reinterpret_bits<Vector<T, Bytes> >(__ldg(reinterpret_cast<const W*>(p)));
#endif
}

template <class T, int Bytes>
__device__ __forceinline__ void store(T* p, const Vector<T, Bytes>& v QCF_SITE) {
#ifdef QCF_EMULATE
  for (int i = 0; i < Vector<T, Bytes>::kSize; ++i) detail::aligned<Bytes>(p, site)[i] = v.values[i];
#else
  using W = typename detail::Word<Bytes>::type;
  *reinterpret_cast<W*>(p) = detail::reinterpret_bits<W>(v);
#endif
}

/// Whether rows that start at `base` and lie row_elements apart can be accessed Bytes at a time (host or
/// device).
template <int Bytes = 16, class T>
__host__ __device__ inline bool vector_aligned(const T* base, long long row_elements) {
  return reinterpret_cast<std::uintptr_t>(base) % Bytes == 0 &&
         row_elements * static_cast<long long>(sizeof(T)) % Bytes == 0;
}

}  // namespace qcface::cuda
