// What the benchmarks check a step against before they time it: the heads as plain double loops over dense cosines,
// written from docs/method.md and the header, sharing no code with the library.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/worse.h"
#include "qcface/kernels.h"

namespace qcface::bench {

using ::qcface::worse;

/// The first `rows` rows against all classes; target cosines and lengths of all n, which t and length_stats need.
class Reference {
 public:
  Reference(std::int64_t n, std::int64_t d, std::int64_t k, std::int64_t rows, const float* x, const float* w,
            const std::vector<std::int64_t>& labels);

  struct Step {
    std::vector<double> nll, radial;  // a row
    std::vector<double> g;            // [rows, K] dL/dc, as the gradients use it
    double loss_id = 0;               // mean nll of the rows
  };
  /// A first step: t = 0, length_stats = 20, 100.
  Step step(const qcf_head_config& config) const;
  /// Gradient of embedding `row`, [D].
  std::vector<double> dx(const Step& step, std::int64_t row) const;
  /// Gradient of class `j`, [D]; needs rows == n.
  std::vector<double> dw(const Step& step, std::int64_t j) const;

  std::int64_t rows() const { return rows_; }

 private:
  std::int64_t n_, d_, k_, rows_;
  const float *x_, *w_;
  std::vector<std::int64_t> labels_;
  std::vector<double> length_, target_, sine_;  // [n]
  std::vector<double> class_length_;            // [K]
  std::vector<double> c_;                       // [rows, K]
};

/// |ours - reference| / |reference|, Euclidean lengths; `ours` holds as many values.
double relative_error(const float* ours, const std::vector<double>& reference);

}  // namespace qcface::bench
