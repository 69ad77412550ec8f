// The [3, 256] table that a network's pixels are looked up in: (v / 255 - mean[c]) / std[c], rounded once.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace qcface::test {

inline std::vector<float> normalisation_table(const std::array<double, 3>& mean,
                                              const std::array<double, 3>& std) {
  std::vector<float> table;
  for (std::size_t c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) table.push_back(static_cast<float>((v / 255.0 - mean[c]) / std[c]));
  }
  return table;
}

}  // namespace qcface::test
