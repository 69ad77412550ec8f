// qcface: angular margin on the target, negatives as they are, guidance of lengths.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct QcfaceHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_QCFACE;
  static constexpr const char* kName = "qcface";
  using Negatives = PlainNegatives;
  using MagnitudeLoss = Guidance;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 64, 0.5, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    return angular_target(params, in);
  }
};

}  // namespace qcface::kernels
