// qcface: angular margin on the target, negatives as they are. N(c) = c.
#pragma once

#include "kernels/heads/negative_rule.h"

namespace qcface::kernels {

struct QcfaceHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_QCFACE;
  static constexpr const char* kName = "qcface";
  static constexpr qcf_rule kDefaultRule = QCF_RULE_EASY;
  static constexpr bool kHasT = false;
  static constexpr bool kHasHard = false;  // plain and margin logits coincide: one sum serves both

  static QCF_HD Negative negative(const NegativeParams&, float c, float) { return {c, 1.0f, false}; }
};

}  // namespace qcface::kernels
