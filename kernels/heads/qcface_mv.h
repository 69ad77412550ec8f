// qcface-mv: angular margin, MV-Softmax's hard negatives, guidance of lengths.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct QcfaceMvHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_QCFACE_MV;
  static constexpr const char* kName = "qcface-mv";
  using Negatives = MvNegatives;
  using MagnitudeLoss = Guidance;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 64, 0.5, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    return angular_target(params, in);
  }
};

}  // namespace qcface::kernels
