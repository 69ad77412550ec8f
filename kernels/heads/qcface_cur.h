// qcface-cur: CurricularFace's rule. A hard negative has N(c) = c (t + c); its slope t + 2c is negative for c < -t/2,
// which is the method as published.
#pragma once

#include "kernels/heads/negative_rule.h"

namespace qcface::kernels {

struct QcfaceCurHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_QCFACE_CUR;
  static constexpr const char* kName = "qcface-cur";
  static constexpr qcf_rule kDefaultRule = QCF_RULE_THRESHOLD;
  static constexpr bool kHasT = true;
  static constexpr bool kHasHard = true;

  static QCF_HD Negative negative(const NegativeParams& params, float c, float margin) {
    const bool hard = c > margin;
    return {hard ? c * (params.t + c) : c, hard ? params.t + 2.0f * c : 1.0f, hard};
  }
};

}  // namespace qcface::kernels
