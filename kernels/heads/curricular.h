// curricular: CurricularFace. Angular margin, hard negatives N = c (t + c).
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct CurricularHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_CURRICULAR;
  static constexpr const char* kName = "curricular";
  using Negatives = CurricularNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kT;
  static constexpr Defaults kDefaults{QCF_RULE_THRESHOLD, QCF_PHASE_ID, 64, 0.5, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    return angular_target(params, in);
  }
};

}  // namespace qcface::kernels
