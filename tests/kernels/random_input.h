// Random head inputs that are neither all easy nor all hard: rows lean on their class by different amounts.
#pragma once

#include <cmath>

#include "tests/kernels/head_runner.h"
#include "tests/support/hash_generator.h"

namespace qcface::test {

inline HeadInput random_input(std::uint32_t seed, std::int64_t n, std::int64_t d, std::int64_t k) {
  HeadInput in;
  in.n = n;
  in.d = d;
  in.k = k;
  in.w = tensor(seed, 1, static_cast<std::size_t>(k * d), 0, 1);
  in.x = tensor(seed, 2, static_cast<std::size_t>(n * d), 0, 1);
  for (std::int64_t j = 0; j < k; ++j) {
    const float scale =
        std::ldexp(1.0f, static_cast<int>(hash(seed, 3, static_cast<std::uint32_t>(j)) % 5) - 2);
    for (std::int64_t e = 0; e < d; ++e) in.w[static_cast<std::size_t>(j * d + e)] *= scale;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::uint32_t>(i);
    std::int64_t label = static_cast<std::int64_t>(hash(seed, 4, row) % static_cast<std::uint32_t>(k));
    if (i == 1) label = 0;
    if (i == 2) label = k - 1;
    if (i % 5 == 4) label = in.labels.back();
    in.labels.push_back(label);
    float norm = 0;
    for (std::int64_t e = 0; e < d; ++e)
      norm += in.w[static_cast<std::size_t>(label * d + e)] * in.w[static_cast<std::size_t>(label * d + e)];
    norm = std::sqrt(norm / static_cast<float>(d)) * 1.7f;
    const float lean = static_cast<float>(hash(seed, 5, row) % 9) / 4.0f - 0.5f;
    const float scale = std::ldexp(1.0f, static_cast<int>(hash(seed, 6, row) % 6));
    for (std::int64_t e = 0; e < d; ++e) {
      auto& value = in.x[static_cast<std::size_t>(i * d + e)];
      value = scale * (value + lean * in.w[static_cast<std::size_t>(label * d + e)] / norm);
    }
  }
  return in;
}

}  // namespace qcface::test
