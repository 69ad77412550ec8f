// __half and __nv_bfloat16 for the host compiler: storage, conversions that round to nearest even with CUDA's
// NaN pattern (0x7FFF), and no arithmetic (kernels compute in float).
#pragma once

#include <bit>
#include <cstdint>

namespace qcface::emulation {

constexpr std::uint16_t half_bits(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint16_t sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return 0x7FFFu;
  if (magnitude >= 0x47800000u) return sign | 0x7C00u;  // 65536 and more; 65520 gets there by its carry
  if (magnitude < 0x38800000u) {
    // Below 2^-14 the unit is 2^-24, the unit of a float in [0.5, 1): one addition rounds it there.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u);
  }
  const std::uint32_t rounded = magnitude + 0x0FFFu + (magnitude >> 13 & 1u);
  return sign | static_cast<std::uint16_t>((rounded - 0x38000000u) >> 13);
}

constexpr float half_value(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1Fu, fraction = bits & 0x3FFu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  const std::uint32_t wide = exponent == 31 ? 0xFFu : exponent + 112u;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

constexpr std::uint16_t bfloat16_bits(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FFFu;
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

constexpr float bfloat16_value(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace qcface::emulation

struct __half_raw {
  unsigned short x;
};
struct __nv_bfloat16_raw {
  unsigned short x;
};

struct alignas(2) __half {
  unsigned short bits;
  __half() = default;
  constexpr __half(float value) : bits(qcface::emulation::half_bits(value)) {}
  constexpr __half(__half_raw raw) : bits(raw.x) {}
  constexpr operator float() const { return qcface::emulation::half_value(bits); }
  constexpr operator __half_raw() const { return __half_raw{bits}; }
};
struct alignas(2) __nv_bfloat16 {
  unsigned short bits;
  __nv_bfloat16() = default;
  constexpr __nv_bfloat16(float value) : bits(qcface::emulation::bfloat16_bits(value)) {}
  constexpr __nv_bfloat16(__nv_bfloat16_raw raw) : bits(raw.x) {}
  constexpr operator float() const { return qcface::emulation::bfloat16_value(bits); }
  constexpr operator __nv_bfloat16_raw() const { return __nv_bfloat16_raw{bits}; }
};
struct alignas(4) __half2 {
  __half x, y;
  __half2() = default;
  constexpr __half2(__half a, __half b) : x(a), y(b) {}
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
  __nv_bfloat162() = default;
  constexpr __nv_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) : x(a), y(b) {}
};
using half = __half;
using half2 = __half2;
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

// clang-format off
constexpr __half __float2half(float v) { return __half(v); }
constexpr __half __float2half_rn(float v) { return __half(v); }
constexpr float __half2float(__half v) { return float(v); }
constexpr __half __ushort_as_half(unsigned short bits) { return __half(__half_raw{bits}); }
constexpr unsigned short __half_as_ushort(__half v) { return v.bits; }
constexpr __half2 __halves2half2(__half a, __half b) { return {a, b}; }
constexpr __half2 __half2half2(__half v) { return {v, v}; }
constexpr __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
constexpr __half __low2half(__half2 v) { return v.x; }
constexpr __half __high2half(__half2 v) { return v.y; }
constexpr float __low2float(__half2 v) { return float(v.x); }
constexpr float __high2float(__half2 v) { return float(v.y); }

constexpr __nv_bfloat16 __float2bfloat16(float v) { return __nv_bfloat16(v); }
constexpr __nv_bfloat16 __float2bfloat16_rn(float v) { return __nv_bfloat16(v); }
constexpr float __bfloat162float(__nv_bfloat16 v) { return float(v); }
constexpr __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16(__nv_bfloat16_raw{bits}); }
constexpr unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.bits; }
constexpr __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
constexpr __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 v) { return {v, v}; }
constexpr __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {__nv_bfloat16(a), __nv_bfloat16(b)}; }
constexpr __nv_bfloat16 __low2bfloat16(__nv_bfloat162 v) { return v.x; }
constexpr __nv_bfloat16 __high2bfloat16(__nv_bfloat162 v) { return v.y; }
constexpr float __low2float(__nv_bfloat162 v) { return float(v.x); }
constexpr float __high2float(__nv_bfloat162 v) { return float(v.y); }
// clang-format on
