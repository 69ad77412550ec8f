// Inputs and launches of the conformance kernels.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/device/types.cuh"
#include "tests/gpu/conformance.h"
#include "tests/support/device_buffer.h"
#include "tests/support/hash_generator.h"

namespace qcface::test {

enum class Input { kIntegers, kRandom };

/// A value that T holds exactly: an integer in [-4, 4], or a number in [-1, 1).
template <class T>
T input_value(Input kind, std::uint32_t stream, std::size_t i) {
  const auto index = static_cast<std::uint32_t>(i);
  const float value = kind == Input::kIntegers
                          ? static_cast<float>(static_cast<int>(hash(17, stream, index) % 9) - 4)
                          : static_cast<float>(sym(17, stream, index));
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(value);
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(value);
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
std::vector<T> input(Input kind, std::uint32_t stream, std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = input_value<T>(kind, stream, i);
  return values;
}

inline double as_double(float v) { return static_cast<double>(v); }
inline double as_double(__half v) { return static_cast<double>(__half2float(v)); }
inline double as_double(__nv_bfloat16 v) { return static_cast<double>(__bfloat162float(v)); }

template <class T>
const char* type_name() {
  return std::is_same_v<T, __half> ? "fp16" : std::is_same_v<T, __nv_bfloat16> ? "bf16" : "fp32";
}
inline const char* input_name(Input kind) { return kind == Input::kIntegers ? "integers" : "random"; }
/// Products of numbers up to 1 summed in fp32 in any order, with the tensor core's truncation.
inline double product_tolerance(Input kind, int terms) { return kind == Input::kIntegers ? 0 : 1e-6 * terms; }

/// c[m][n] + sum over k of a[m][k] b[k][n]; the operands are given as functions of (row, column).
template <class A, class B, class C>
std::vector<double> reference_product(int m, int n, int k, A a, B b, C c) {
  std::vector<double> out;
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = c(i, j);
      for (int p = 0; p < k; ++p) sum += a(i, p) * b(p, j);
      out.push_back(sum);
    }
  }
  return out;
}

}  // namespace qcface::test
