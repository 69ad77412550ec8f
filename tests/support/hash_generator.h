// The input generator of golden-formats.md: 32-bit wrap-around hash, one rounding to float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qcface::test {

inline std::uint32_t mix(std::uint32_t h) {
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  h ^= h >> 13;
  h *= 0xC2B2AE35u;
  h ^= h >> 16;
  return h;
}
inline std::uint32_t hash(std::uint32_t seed, std::uint32_t stream, std::uint32_t i) {
  const std::uint32_t a = mix(seed ^ 0x9E3779B9u);
  const std::uint32_t b = mix(a + stream);
  return mix(mix(i + b) ^ a);
}
/// In [-1, 1 - 2^-23].
inline double sym(std::uint32_t seed, std::uint32_t stream, std::uint32_t i) {
  return static_cast<double>(static_cast<std::int32_t>(hash(seed, stream, i) >> 8) - (1 << 23)) * 0x1p-23;
}
inline std::vector<float> tensor(std::uint32_t seed, std::uint32_t stream, std::size_t count, double offset,
                                 double scale) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(offset + scale * sym(seed, stream, static_cast<std::uint32_t>(i)));
  }
  return values;
}

}  // namespace qcface::test
