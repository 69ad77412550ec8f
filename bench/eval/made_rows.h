// Made-up embeddings: the same numbers on every machine, a few operations a value.
#pragma once

#include <cstdint>

namespace qcface::bench {

inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
/// Nearly normal: four uniform numbers of 16 bits.
inline float noise(std::uint64_t row, std::uint64_t column) {
  const std::uint64_t bits = mixed(row * 0x2545F4914F6CDD1Du + column);
  double sum = -2;
  for (int part = 0; part < 4; ++part) sum += static_cast<double>((bits >> (16 * part)) & 0xFFFF) * 0x1p-16;
  return static_cast<float>(sum * 1.7320508);
}

}  // namespace qcface::bench
