// Which plan runs: a pure function of architecture, operand type, width, rows and the request.
#pragma once

#include <cstdint>

#include "kernels/cuda/fused.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

/// The fused plans that are in this build.
#ifdef QCF_HAVE_MMA_PLAN
inline constexpr bool kMmaBuilt = true;
#else
inline constexpr bool kMmaBuilt = false;
#endif
#ifdef QCF_HAVE_WGMMA_PLAN
inline constexpr bool kWgmmaBuilt = true;
#else
inline constexpr bool kWgmmaBuilt = false;
#endif

struct PlanChoice {
  qcf_plan plan;        // QCF_PLAN_AUTO if the request cannot be met
  const char* refusal;  // then the reason as half a sentence, else NULL
};

/// `requested` AUTO asks the table; another plan is checked.
PlanChoice choose_plan(const qcface::cuda::DeviceFacts& facts, const FusedShape& shape, qcf_plan requested);

}  // namespace qcface::kernels::cuda
