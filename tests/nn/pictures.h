// 8-bit pictures of noise, and what a table of normalised values makes of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/hash_generator.h"

namespace qcface::test {

/// The [3, 256] table that a network's pixels are looked up in: (v / 255 - mean[c]) / std[c], rounded once.
inline std::vector<float> normalisation_table(const std::array<double, 3>& mean,
                                              const std::array<double, 3>& std) {
  std::vector<float> table;
  for (std::size_t c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) table.push_back(static_cast<float>((v / 255.0 - mean[c]) / std[c]));
  }
  return table;
}

struct Pictures {
  std::vector<std::uint8_t> pixels;  // [n, side, side, 3]
  std::vector<float> table = normalisation_table({0.5, 0.4, 0.3}, {0.2, 0.25, 0.3});
  std::vector<float> canonical;  // [n, 3, side, side], normalised

  Pictures(int n, int side) {
    const auto plane = static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
    pixels.resize(static_cast<std::size_t>(n) * plane * 3);
    canonical.resize(pixels.size());
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      pixels[i] = static_cast<std::uint8_t>(hash(43, 1, static_cast<std::uint32_t>(i)));
      const std::size_t pixel = i / 3, c = i % 3;
      canonical[(pixel / plane * 3 + c) * plane + pixel % plane] = table[c * 256 + pixels[i]];
    }
  }
};

}  // namespace qcface::test
