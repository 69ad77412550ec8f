// The larger of two errors, for benchmarks and tests that keep the largest of many.
#pragma once

#include <limits>

namespace qcface {

/// NaN is the largest error there is and stays: std::max drops one that stands second, and "if (!(b <= a)) a = b" forgets
/// the NaN in a as soon as a number follows.
constexpr double worse(double a, double b) { return a != a || b <= a ? a : b; }

namespace detail {
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
static_assert(worse(1, 2) == 2 && worse(2, 1) == 2);
static_assert(worse(kNan, 1) != worse(kNan, 1) && worse(1, kNan) != worse(1, kNan));
}  // namespace detail

}  // namespace qcface
