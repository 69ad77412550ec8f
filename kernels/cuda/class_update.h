// Arguments of the shared last step of the second pass (class_update.cuh): a finished row H_j = sum_{i, j != y_i} g_ij xh_i
// becomes dw_j = (H_j - (H_j . wh_j) wh_j) / |w_j| plus the target parts of the rows labelled j, then dw and/or the SGD
// step and the refreshed unit row are written.
#pragma once

#include <cstdint>

#include "kernels/cuda/error_record.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

/// Rows of the batch sorted by class, then row. Rows whose class is held elsewhere stand last, with class INT64_MAX.
struct SortedLabel {
  std::int64_t klass;  // place among the classes that take part
  std::int64_t row;
};

/// Device pointers; passed to kernels by value.
struct ClassUpdate {
  std::int64_t k_loc, d, n;     // k_loc: classes that take part
  const std::int64_t* sampled;  // [k_loc] their rows of w, velocity and unit_w; NULL: all
  const float* w;               // [K_loc, D]
  float* dw;                    // [k_loc, D] or NULL
  bool accumulate;
  // the optimiser, or NULLs
  float* sgd_w;
  float* velocity;
  const float* lr;
  const std::int32_t* skip;
  float momentum, weight_decay;
  void* unit_w;  // [K_loc, D] of `type`, refreshed after an optimiser step; or NULL
  qcf_type type;
  // target parts
  const SortedLabel* labels;  // [N]
  const float* x;             // [N, D]
  const double* z;            // [N] |x_i|
  const double* target_c;     // [N] c_iy
  const double* one_minus_q;  // [N]
  const double* slope;        // [N] T'
  double scale;               // s / B
  const ErrorRecord* errors;
  bool vectorised;  // D % 4 == 0 and every matrix above is 16-byte aligned
};

}  // namespace qcface::kernels::cuda
