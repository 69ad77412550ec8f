// qcface-mv: MV-Softmax's rule. A hard negative has N(c) = a c + a - 1, which is c itself at a = 1.
#pragma once

#include "kernels/heads/negative_rule.h"

namespace qcface::kernels {

struct QcfaceMvHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_QCFACE_MV;
  static constexpr const char* kName = "qcface-mv";
  static constexpr qcf_rule kDefaultRule = QCF_RULE_EASY;
  static constexpr bool kHasT = false;
  static constexpr bool kHasHard = true;

  static QCF_HD Negative negative(const NegativeParams& params, float c, float margin) {
    const bool hard = c > margin;
    return {hard ? params.a * c + (params.a - 1.0f) : c, hard ? params.a : 1.0f, hard};
  }
};

}  // namespace qcface::kernels
