// softmax: normalised softmax without a margin. T = c.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct SoftmaxHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_SOFTMAX;
  static constexpr const char* kName = "softmax";
  using Negatives = PlainNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 64, 0.5, 1};

  static QCF_HD TargetValue target(const TargetParams&, const TargetInput& in) {
    return {in.c, in.c, in.c, 1.0, 0.0};
  }
};

}  // namespace qcface::kernels
