// What the tests of collectives send, and what has to come back: plain loops, none of the library's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/comm/communicator.h"
#include "tests/support/hash_generator.h"

namespace qcface::test {

/// Values of one rank: of different sizes and signs, so that the order of a sum shows in its bits.
template <class T>
std::vector<T> values_of(int rank, std::int64_t count) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(count));
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
    const auto stream = static_cast<std::uint32_t>(rank);
    const std::uint32_t bits = hash(18, stream, i);
    if constexpr (sizeof(T) == 1) {
      values.push_back(static_cast<T>(bits & 0xFF));
    } else {
      values.push_back(static_cast<T>(std::ldexp(1000.0, static_cast<int>(bits % 16)) * sym(17, stream, i)));
    }
  }
  return values;
}

/// What a reduction of `ranks` ranks gives, in the order of the ranks.
template <class T>
std::vector<T> reduced_values(int ranks, std::int64_t count, Reduce reduce) {
  std::vector<T> result = values_of<T>(0, count);
  for (int r = 1; r < ranks; ++r) {
    const std::vector<T> values = values_of<T>(r, count);
    for (std::size_t i = 0; i < values.size(); ++i)
      result[i] =
          reduce == Reduce::kSum ? static_cast<T>(result[i] + values[i]) : std::max(result[i], values[i]);
  }
  return result;
}

}  // namespace qcface::test
