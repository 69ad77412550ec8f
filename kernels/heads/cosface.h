// cosface: T = c - m.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct CosfaceHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_COSFACE;
  static constexpr const char* kName = "cosface";
  using Negatives = PlainNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 64, 0.35, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    return additive_target(params, in);
  }
};

}  // namespace qcface::kernels
