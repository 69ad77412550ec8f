// Which plan runs: a pure function of architecture, operand type, width, rows and the request.
#pragma once

#include <cstdint>

#include "kernels/cuda/fused.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

struct PlanChoice {
  qcf_plan plan;        // QCF_PLAN_AUTO if the request cannot be met
  const char* refusal;  // then the reason as half a sentence, else NULL
};

/// `requested` AUTO asks the table; another plan is checked.
PlanChoice choose_plan(const qcface::cuda::DeviceFacts& facts, const FusedShape& shape, qcf_plan requested);

}  // namespace qcface::kernels::cuda
