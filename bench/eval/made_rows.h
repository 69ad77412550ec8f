// Made-up embeddings: the same numbers on every machine, a few operations a value.
#pragma once

#include <cmath>
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

/// A row of a subject; rows of one subject have a cosine of about 0.23. Of nobody (subject < 0): noise alone. Lengths lie between
/// 10 and 25.
inline void make_row(std::uint64_t row, std::int64_t subject, std::int64_t width, float* out) {
  const float length = 10 + 15 * static_cast<float>(mixed(row) >> 40) * 0x1p-24f;
  const float scale = length / std::sqrt(static_cast<float>(width));
  for (std::int64_t d = 0; d < width; ++d) {
    const auto column = static_cast<std::uint64_t>(d);
    const float own = noise(row, column);
    out[d] = scale *
             (subject < 0 ? own : 0.48f * noise(static_cast<std::uint64_t>(subject), column) + 0.877f * own);
  }
}

}  // namespace qcface::bench
