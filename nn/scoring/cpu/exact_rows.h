// Products and lengths of rows in double, in one fixed order: equal rows give equal bits wherever they stand.
#pragma once

#include <cmath>
#include <cstdint>

#include "nn/scoring/rule.h"

namespace qcface::nn::scoring {

/// f(i, lane) over eight lanes, then the lanes in pairs: independent sums, which a compiler may keep in vectors.
template <class F>
double sum_in_lanes(std::int64_t count, F term) {
  constexpr std::int64_t kLanes = 8;
  double sum[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) sum[lane] += term(i + lane);
  }
  for (std::int64_t lane = 0; i < count; ++i, ++lane) sum[lane] += term(i);
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/// f(pointer to the row's values), whichever type they have.
template <class F>
decltype(auto) with_row(const RowsView& rows, std::int64_t row, F f) {
  return rows.f32 != nullptr ? f(rows.f32 + row * rows.width) : f(rows.f64 + row * rows.width);
}

inline double exact_length(const RowsView& rows, std::int64_t row) {
  return with_row(rows, row, [&](const auto* values) {
    return std::sqrt(sum_in_lanes(rows.width, [values](std::int64_t d) {
      const double v = static_cast<double>(values[d]);
      return v * v;
    }));
  });
}

/// The score of two rows whose lengths are exact_length().
inline double exact_score(const ScoreRule& rule, const RowsView& rows1, std::int64_t row1, double length1,
                          const RowsView& rows2, std::int64_t row2, double length2) {
  return with_row(rows1, row1, [&](const auto* a) {
    return with_row(rows2, row2, [&](const auto* b) {
      if (rule.kind == ScoreRule::kEuclid) {
        return -std::sqrt(sum_in_lanes(rows1.width, [a, b](std::int64_t d) {
          const double v = static_cast<double>(a[d]) - static_cast<double>(b[d]);
          return v * v;
        }));
      }
      const double dot = sum_in_lanes(rows1.width, [a, b](std::int64_t d) {
        return static_cast<double>(a[d]) * static_cast<double>(b[d]);
      });
      return score_of(rule, dot, length1, length2);
    });
  });
}

}  // namespace qcface::nn::scoring
