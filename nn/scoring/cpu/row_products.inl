// The loops of row_products.h, compiled once for each instruction set. QCFACE_ROW_PRODUCTS names the table.
#include <cstring>

#include "nn/scoring/cpu/row_products.h"

namespace qcface::nn::scoring::detail {
namespace {

constexpr int kLanes = 8, kChains = 4;
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));

Lanes load(const double* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}
Lanes load(const float* from) {
  typedef float Narrow __attribute__((vector_size(kLanes * sizeof(float))));
  Narrow lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return __builtin_convertvector(lanes, Lanes);
}

struct Product {
  static Lanes of(Lanes a, Lanes b) { return a * b; }
};
struct SquaredDifference {
  static Lanes of(Lanes a, Lanes b) {
    const Lanes difference = a - b;
    return difference * difference;
  }
};

template <class Term, class T>
double sum_of(const T* a, const T* b, std::int64_t width) {
  Lanes chain[kChains] = {};
  std::int64_t at = 0;
  for (; at + kChains * kLanes <= width; at += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c)
      chain[c] += Term::of(load(a + at + c * kLanes), load(b + at + c * kLanes));
  }
  int next = 0;
  for (; at + kLanes <= width; at += kLanes) chain[next++] += Term::of(load(a + at), load(b + at));
  if (at < width) {
    T rest_a[kLanes] = {}, rest_b[kLanes] = {};
    std::memcpy(rest_a, a + at, static_cast<std::size_t>(width - at) * sizeof(T));
    std::memcpy(rest_b, b + at, static_cast<std::size_t>(width - at) * sizeof(T));
    chain[next] += Term::of(load(rest_a), load(rest_b));
  }
  const Lanes sum = (chain[0] + chain[1]) + (chain[2] + chain[3]);
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

}  // namespace

const RowProducts QCFACE_ROW_PRODUCTS{sum_of<Product, float>, sum_of<Product, double>,
                                      sum_of<SquaredDifference, float>, sum_of<SquaredDifference, double>};

}  // namespace qcface::nn::scoring::detail
