// Arguments of the shared last step of the second pass (class_update.cuh): a finished row H_j = sum_{i, j != y_i} g_ij xh_i
// becomes dw_j = (H_j - (H_j . wh_j) wh_j) / |w_j| plus the target parts of the rows labelled j, then dw and/or the SGD
// step and the refreshed unit row are written.
#pragma once

#include <cstdint>

#include "kernels/cuda/error_record.h"
#include "kernels/request.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

/// Device pointers; passed to kernels by value.
struct ClassUpdate {
  std::int64_t k_loc, d, n;     // k_loc: classes that take part
  const std::int64_t* sampled;  // [k_loc] their rows of w, slot and unit_w; NULL: all
  const float* w;               // [K_loc, D]
  float* dw;                    // [k_loc, D] or NULL
  bool accumulate;
  // the optimiser, or NULLs
  float* new_w;
  float* slot;  // [K_loc, D] what the rule keeps of a weight
  const float* lr;
  const std::int32_t* skip;
  float momentum, weight_decay;
  void* unit_w;  // [K_loc, D] of `type`, refreshed after an optimiser step; or NULL
  qcf_type type;
  // target parts
  const SortedLabel* labels;  // [N]; a row whose class is held elsewhere has class INT64_MAX and stands last
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
