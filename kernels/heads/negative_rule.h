// What a head says about a class that is not the label (math.md section 3): the logit N(c), its slope and whether the
// pair is hard, that is, c exceeds the row's own margin cosine M. Ternaries on scalars, so that the CPU loops vectorise.
#pragma once

#include "kernels/heads/host_device.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

struct NegativeParams {
  float t;  // curricular state, already updated for this step
  float a;  // weight of hard negatives of the mv rule
};

struct Negative {
  float logit;  // N, times s in the exponent; never below -1 for c in [-1, 1]
  float slope;  // dN/dc
  bool hard;
};

}  // namespace qcface::kernels
