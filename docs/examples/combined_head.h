// combined: ArcFace's angular margin and CosFace's offset together, T = cos(theta + m) - 0.1. The worked example of
// docs/adding-a-head.md; compiled and checked by tests/kernels/test_head_rules.cpp.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct CombinedHead {
  static constexpr qcf_head_kind kKind =
      QCF_HEAD_MAX_ENUM;                            // a shipped head has its own value of qcf_head_kind
  static constexpr const char* kName = "combined";  // --loss_model combined
  using Negatives = PlainNegatives;                 // N(c) of the other classes: heads/negatives.h
  using MagnitudeLoss = NoMagnitudeLoss;            // guidance/magnitude_loss.h
  static constexpr State kState = State::kNone;     // nothing kept between steps
  static constexpr Defaults kDefaults{QCF_RULE_THRESHOLD, QCF_PHASE_ID, 64, 0.3, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    TargetValue out = angular_target(params, in);
    out.logit -= 0.1;  // a constant: dT/dc stays
    return out;
  }
};

}  // namespace qcface::kernels
