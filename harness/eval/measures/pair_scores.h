// What every score based measure takes: one score a pair and whether the pair shows the same person, in list
// order (line order is fold order). Measures check their input here and name what is wrong.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace qcface::eval {

struct ClassCounts {
  std::int64_t same = 0;
  std::int64_t different = 0;
};

/// Throws Error naming `what` when the sizes differ, a score is NaN or infinite (with its pair), or there is
/// no pair of the same person, or none of different ones.
ClassCounts check_pairs(std::span<const double> scores, std::span<const char> same, std::string_view what);

}  // namespace qcface::eval
