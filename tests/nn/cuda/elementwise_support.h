// What the tests of the element-wise kernels share: values of the storage types made without the library's
// conversions, device arrays between canaries, and the comparison with a double-precision reference.
//
// The same sources run the kernels on fibers (QCF_EMULATE, in the four modes of the emulator) and on a GPU.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "nn/cuda/storage.h"
#include "tests/support/catch.h"
#include "tests/support/device_buffer.h"
#include "tests/support/hash_generator.h"
#ifdef QCF_EMULATE
#include "tests/support/emulation_modes.h"
#define QCFACE_NEED_DEVICE() static_cast<void>(0)
#else
#define QCFACE_NEED_DEVICE() \
  if (qcface::cuda::device_count() == 0) QCFACE_SKIP("no CUDA device")
namespace qcface::test {
template <class Body>
void for_each_mode(Body&& body) {
  body();
}
}  // namespace qcface::test
#endif

namespace qcface::test {

using nn::cuda::bytes_of;
using nn::cuda::name_of;
using nn::cuda::StorageType;

inline constexpr StorageType kTypes[] = {StorageType::kF32, StorageType::kBf16, StorageType::kF16};

/// Significant bits, the hidden one included.
inline int precision_of(StorageType type) {
  return type == StorageType::kF32 ? 24 : type == StorageType::kBf16 ? 8 : 11;
}
/// Half a unit in the last place of 1.
inline double epsilon_of(StorageType type) { return std::ldexp(1.0, -precision_of(type)); }

/// v rounded to the nearest value of the type, ties to even.
inline double rounded(StorageType type, double v) {
  if (v == 0 || !std::isfinite(v)) return v;
  const int smallest = type == StorageType::kF16 ? -14 : -126;
  const int exponent = std::max(std::ilogb(v), smallest) - (precision_of(type) - 1);
  const double r = std::ldexp(std::nearbyint(std::ldexp(v, -exponent)), exponent);
  const double largest =
      type == StorageType::kF16 ? 65504.0 : static_cast<double>(std::numeric_limits<float>::max());
  if (std::abs(r) > largest) return std::copysign(std::numeric_limits<double>::infinity(), v);
  return r;
}

inline std::uint16_t half_bits_of(double v) {  // of a value that fp16 holds exactly
  const auto sign = static_cast<std::uint16_t>(std::signbit(v) ? 0x8000 : 0);
  const double m = std::abs(v);
  if (std::isnan(v)) return 0x7E00;
  if (std::isinf(v)) return static_cast<std::uint16_t>(sign | 0x7C00);
  if (m < 0x1p-14) return static_cast<std::uint16_t>(sign | static_cast<int>(m * 0x1p24));
  const int e = std::ilogb(m);
  return static_cast<std::uint16_t>(sign | (e + 15) << 10 | static_cast<int>((std::ldexp(m, -e) - 1) * 1024));
}
inline double half_value_of(std::uint16_t bits) {
  const int e = bits >> 10 & 31, m = bits & 1023;
  const double v =
      e == 31  ? (m ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity())
      : e == 0 ? m * 0x1p-24
               : std::ldexp(1.0 + m / 1024.0, e - 15);
  return bits & 0x8000 ? -v : v;
}

/// Bytes of values in storage; the values are rounded first.
inline std::vector<std::uint8_t> encode(StorageType type, const std::vector<double>& values) {
  std::vector<std::uint8_t> bytes(values.size() * bytes_of(type));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = rounded(type, values[i]);
    if (type == StorageType::kF32) {
      const auto f = static_cast<float>(v);
      std::memcpy(&bytes[4 * i], &f, 4);
    } else {
      const std::uint16_t bits =
          type == StorageType::kF16
              ? half_bits_of(v)
              : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(v)) >> 16);
      std::memcpy(&bytes[2 * i], &bits, 2);
    }
  }
  return bytes;
}
inline std::vector<double> decode(StorageType type, const std::uint8_t* bytes, std::size_t count) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (type == StorageType::kF32) {
      float f;
      std::memcpy(&f, bytes + 4 * i, 4);
      values[i] = static_cast<double>(f);
    } else {
      std::uint16_t bits;
      std::memcpy(&bits, bytes + 2 * i, 2);
      values[i] = type == StorageType::kF16
                      ? half_value_of(bits)
                      : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
    }
  }
  return values;
}

/// A device array between canaries, poisoned with NaN (all bits set) until something is written.
class Array {
 public:
  Array(StorageType type, std::size_t count) : type_(type), count_(count), memory_(2 * kGuard + bytes()) {}
  Array(StorageType type, const std::vector<double>& values) : Array(type, values.size()) { assign(values); }

  void assign(const std::vector<double>& values) {
    std::vector<std::uint8_t> all(2 * kGuard + bytes(), 0xFF);
    const std::vector<std::uint8_t> inside = encode(type_, values);
    REQUIRE(inside.size() == bytes());
    std::copy(inside.begin(), inside.end(), all.begin() + kGuard);
    memory_.assign(all);
  }
  void* data() { return memory_.data() + kGuard; }
  float* floats() { return reinterpret_cast<float*>(data()); }
  std::size_t count() const { return count_; }

  /// The bytes; fails if a canary was touched.
  std::vector<std::uint8_t> raw() const {
    const std::vector<std::uint8_t> all = memory_.host();
    const auto touched = [&](std::size_t from) {
      return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(from),
                         all.begin() + static_cast<std::ptrdiff_t>(from + kGuard),
                         [](std::uint8_t b) { return b != 0xFF; });
    };
    REQUIRE_FALSE(touched(0));
    REQUIRE_FALSE(touched(kGuard + bytes()));
    return {all.begin() + kGuard, all.end() - kGuard};
  }
  std::vector<double> values() const { return decode(type_, raw().data(), count_); }

 private:
  static constexpr std::size_t kGuard = 64;
  std::size_t bytes() const { return count_ * bytes_of(type_); }
  StorageType type_;
  std::size_t count_;
  DeviceBuffer<std::uint8_t> memory_;
};

/// Scratch of `bytes` bytes between canaries.
inline Array scratch(std::size_t bytes) { return Array(StorageType::kF32, (bytes + 3) / 4); }

/// offset + scale * u, u uniform in [-1, 1), as the type stores it.
inline std::vector<double> random_values(StorageType type, std::uint32_t stream, std::size_t count,
                                         double offset = 0, double scale = 1) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = rounded(type, offset + scale * sym(20261123u, stream, static_cast<std::uint32_t>(i)));
  }
  return values;
}

/// Tolerance by evidence: the worst error of ours may be `k` times that of a naive fp32 loop with the same
/// storage, plus a floor relative to the largest value or, where the result is a small difference of large terms,
/// to `scale`, their size. Reports the worst place. Fails for NaN and for references that are all zero.
inline void check_against(const char* what, const std::vector<double>& ours, const std::vector<double>& naive,
                          const std::vector<double>& exact, double k, double floor, double scale = 0) {
  REQUIRE(ours.size() == exact.size());
  REQUIRE(naive.size() == exact.size());
  double worst = 0, evidence = 0, largest = 0;
  std::size_t place = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double error = std::abs(ours[i] - exact[i]);
    if (!(error <= worst)) {
      worst = error;
      place = i;
      if (std::isnan(error)) break;
    }
    evidence = std::max(evidence, std::abs(naive[i] - exact[i]));
    largest = std::max(largest, std::abs(exact[i]));
  }
  INFO(what << "[" << place << "] of " << exact.size() << ": " << ours[place] << ", expected " << exact[place]
            << "; error " << worst << ", naive " << evidence << ", largest value " << largest);
  REQUIRE(worst <= k * evidence + floor * std::max(largest, scale));
  REQUIRE(largest > 0);
}
inline void check_close(const char* what, const std::vector<double>& ours, const std::vector<double>& exact,
                        double relative) {
  check_against(what, ours, exact, exact, 0, relative);
}

/// The bytes of several arrays.
using Bytes = std::vector<std::vector<std::uint8_t>>;

/// Runs body() in every mode, twice in each; body returns the bytes of its results, which must always be the
/// same.
template <class Body>
void same_bits_in_every_mode(Body&& body) {
  Bytes first;
  for_each_mode([&] {
    for (int time = 0; time < 2; ++time) {
      Bytes now = body();
      if (first.empty()) first = now;
      const bool same = first == now;
      REQUIRE(same);
    }
  });
}

}  // namespace qcface::test
