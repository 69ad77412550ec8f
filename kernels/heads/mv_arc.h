// mv-arc: MV-Softmax with an angular margin.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct MvArcHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_MV_ARC;
  static constexpr const char* kName = "mv-arc";
  using Negatives = MvNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 32, 0.35, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    return angular_target(params, in);
  }
};

}  // namespace qcface::kernels
