// Loads and stores of neighbouring values as one access, and the choice of a kernel by storage type.
#pragma once

#include <type_traits>

#include "kernels/device/types.cuh"
#include "nn/cuda/check.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// N neighbouring values, 16 bytes at most, moved by one access.
template <class T, int N>
using Pack = qcface::cuda::Vector<T, N* static_cast<int>(sizeof(T))>;

template <class T, int N>
__device__ __forceinline__ Pack<T, N> load_pack(const T* at QCF_SITE) {
#ifdef QCF_EMULATE
  return qcface::cuda::load<T, N* static_cast<int>(sizeof(T))>(at, site);
#else
  return qcface::cuda::load<T, N* static_cast<int>(sizeof(T))>(at);
#endif
}

/// The values at base + offset, or zeros where the tensor is absent (base may then be null).
template <class T, int N>
__device__ __forceinline__ Pack<T, N> load_if(bool present, const T* base, std::int64_t offset) {
  if (present) return load_pack<T, N>(base + offset);
  Pack<T, N> zeros;
  QCF_UNROLL
  for (int i = 0; i < N; ++i) zeros.set(i, 0.0f);
  return zeros;
}

using qcface::cuda::store;
using qcface::cuda::to_float;

/// Two values are rounded by one instruction where the type has it.
template <class T, int N>
__device__ __forceinline__ Pack<T, N> narrow_pack(const float (&v)[N]) {
  Pack<T, N> pack;
  if constexpr (N % 2 == 0 && std::is_same_v<T, __half>) {
    QCF_UNROLL
    for (int i = 0; i < N; i += 2) {
      const __half2 two = __floats2half2_rn(v[i], v[i + 1]);
      pack.values[i] = __low2half(two);
      pack.values[i + 1] = __high2half(two);
    }
  } else if constexpr (N % 2 == 0 && std::is_same_v<T, __nv_bfloat16>) {
    QCF_UNROLL
    for (int i = 0; i < N; i += 2) {
      const __nv_bfloat162 two = __floats2bfloat162_rn(v[i], v[i + 1]);
      pack.values[i] = __low2bfloat16(two);
      pack.values[i + 1] = __high2bfloat16(two);
    }
  } else {
    QCF_UNROLL
    for (int i = 0; i < N; ++i) pack.values[i] = qcface::cuda::from_float<T>(v[i]);
  }
  return pack;
}

/// N floats of a row of coefficients; `rest` where the row is absent.
template <int N>
__device__ __forceinline__ void load_floats(float (&to)[N], const float* row, std::int64_t at, float rest) {
  QCF_UNROLL
  for (int i = 0; i < N; ++i) to[i] = row ? row[at + i] : rest;
}

/// Calls body with a value of the type that `type` names: body(float{}), body(__half{}) or
/// body(__nv_bfloat16{}).
template <class Body>
void with_type(StorageType type, const char* function, const Body& body) {
  switch (type) {
    case StorageType::kF32:
      return body(float{});
    case StorageType::kBf16:
      return body(__nv_bfloat16{});
    case StorageType::kF16:
      return body(__half{});
  }
  fail_call(function, "the storage type is none of fp32, bf16 and fp16");
}

template <class T>
inline constexpr int kWideVector = 16 / static_cast<int>(sizeof(T));

/// As with_type, with the channels a thread as a compile-time constant: 16 bytes or one value.
template <class Body>
void with_type_and_vector(StorageType type, int vector, const char* function, const Body& body) {
  with_type(type, function, [&](auto value) {
    using T = decltype(value);
    if (vector == 1) return body(value, std::integral_constant<int, 1>{});
    body(value, std::integral_constant<int, kWideVector<T>>{});
  });
}

}  // namespace qcface::nn::cuda
