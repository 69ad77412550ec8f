// Products and distances of rows in double. Every processor gives the same bits: 32 partial sums by the place in the row, added
// up in a fixed order, products rounded before they are added.
#pragma once

#include <cstdint>

namespace qcface::nn::scoring {

struct RowProducts {
  double (*dot_f32)(const float* a, const float* b, std::int64_t width);
  double (*dot_f64)(const double* a, const double* b, std::int64_t width);
  double (*squared_distance_f32)(const float* a, const float* b, std::int64_t width);
  double (*squared_distance_f64)(const double* a, const double* b, std::int64_t width);

  double dot(const float* a, const float* b, std::int64_t width) const { return dot_f32(a, b, width); }
  double dot(const double* a, const double* b, std::int64_t width) const { return dot_f64(a, b, width); }
  double squared_distance(const float* a, const float* b, std::int64_t width) const {
    return squared_distance_f32(a, b, width);
  }
  double squared_distance(const double* a, const double* b, std::int64_t width) const {
    return squared_distance_f64(a, b, width);
  }
};

/// Those for this processor.
const RowProducts& row_products();

namespace detail {
extern const RowProducts kRowsBase, kRowsAvx2, kRowsAvx512;
}

}  // namespace qcface::nn::scoring
