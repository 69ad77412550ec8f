// qcface-cur: angular margin, CurricularFace's hard negatives, guidance of lengths.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct QcfaceCurHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_QCFACE_CUR;
  static constexpr const char* kName = "qcface-cur";
  using Negatives = CurricularNegatives;
  using MagnitudeLoss = Guidance;
  static constexpr State kState = State::kT;
  static constexpr Defaults kDefaults{QCF_RULE_THRESHOLD, QCF_PHASE_ID, 64, 0.5, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    return angular_target(params, in);
  }
};

}  // namespace qcface::kernels
