// mv-am: MV-Softmax with an additive margin where the target allows it: T = c - m if c > m, else c. Hard: c_j > c - m.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct MvAmHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_MV_AM;
  static constexpr const char* kName = "mv-am";
  using Negatives = MvNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 32, 0.35, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    TargetValue out = additive_target(params, in);
    if (!(in.c > params.m)) out.logit = in.c;
    return out;
  }
};

}  // namespace qcface::kernels
