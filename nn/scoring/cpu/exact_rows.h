// Lengths and scores of rows in double: equal rows give equal bits wherever they stand, and those of pair_scores().
#pragma once

#include <cmath>
#include <cstdint>

#include "nn/scoring/cpu/row_products.h"
#include "nn/scoring/rule.h"

namespace qcface::nn::scoring {

/// f(pointer to the row's values), whichever type they have.
template <class F>
auto with_row(const RowsView& rows, std::int64_t row, F f) {
  return rows.f32 != nullptr ? f(rows.f32 + row * rows.width) : f(rows.f64 + row * rows.width);
}

inline double exact_length(const RowsView& rows, std::int64_t row) {
  return with_row(rows, row, [&](const auto* values) {
    return std::sqrt(row_products().dot(values, values, rows.width));
  });
}

/// The score of two rows of one type, whose lengths are exact_length().
inline double exact_score(const ScoreRule& rule, const RowsView& rows1, std::int64_t row1, double length1,
                          const RowsView& rows2, std::int64_t row2, double length2) {
  const std::int64_t width = rows1.width;
  const auto score = [&](const auto* a, const auto* b) {
    if (rule.kind == ScoreRule::kEuclid) return -std::sqrt(row_products().squared_distance(a, b, width));
    return score_of(rule, row_products().dot(a, b, width), length1, length2);
  };
  return rows1.f32 != nullptr ? score(rows1.f32 + row1 * width, rows2.f32 + row2 * width)
                              : score(rows1.f64 + row1 * width, rows2.f64 + row2 * width);
}

}  // namespace qcface::nn::scoring
