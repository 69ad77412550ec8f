// arcface: angular margin, negatives as they are. unit_slope: the gradient of InsightFace's code, which shifts the angle
// with gradients off and so has dT/dc = 1; the loss is the same.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct ArcfaceHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_ARCFACE;
  static constexpr const char* kName = "arcface";
  using Negatives = PlainNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_THRESHOLD, QCF_PHASE_ID, 64, 0.5, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    TargetValue out = angular_target(params, in);
    if (params.unit_slope) out.slope = 1.0;
    return out;
  }
};

}  // namespace qcface::kernels
