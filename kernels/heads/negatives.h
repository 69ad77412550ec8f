// What a head says about a class that is not the label (math.md section 3): the logit N(c), its slope and whether the
// pair is hard, that is, c exceeds what the row's target rule calls its margin. The kernels that run over the classes are
// compiled once per rule here, not once per head. Ternaries on scalars, so that the CPU loops vectorise.
#pragma once

#include "kernels/device/host_device.h"

namespace qcface::kernels {

struct NegativeParams {
  float t;  // curricular state, already updated for this step
  float a;  // weight of hard negatives of the mv rule
};

struct Negative {
  float logit;  // N, times s in the exponent; never below -1 for c in [-1, 1]
  float slope;  // dN/dc
  bool hard;
};

/// N(c) = c. Plain and margin logits coincide: one sum serves both.
struct PlainNegatives {
  static constexpr bool kUsesT = false;
  static constexpr bool kHasHard = false;

  static QCF_HD Negative negative(const NegativeParams&, float c, float) { return {c, 1.0f, false}; }
};

/// CurricularFace's rule. A hard negative has N(c) = c (t + c); its slope t + 2c is negative for c < -t/2, which is the
/// method as published.
struct CurricularNegatives {
  static constexpr bool kUsesT = true;
  static constexpr bool kHasHard = true;

  static QCF_HD Negative negative(const NegativeParams& params, float c, float margin) {
    const bool hard = c > margin;
    return {hard ? c * (params.t + c) : c, hard ? params.t + 2.0f * c : 1.0f, hard};
  }
};

/// MV-Softmax's rule. A hard negative has N(c) = a c + a - 1, which is c itself at a = 1.
struct MvNegatives {
  static constexpr bool kUsesT = false;
  static constexpr bool kHasHard = true;

  static QCF_HD Negative negative(const NegativeParams& params, float c, float margin) {
    const bool hard = c > margin;
    return {hard ? params.a * c + (params.a - 1.0f) : c, hard ? params.a : 1.0f, hard};
  }
};

/// How far AdaFace's cosines stay from -1 and 1.
inline constexpr double kCosineGuard = 1e-3;

/// AdaFace's rule: c clamped to +-(1 - 1e-3), with a real clamp: no gradient outside. What lies below -1 is no cosine but
/// the mark of a column that does not count, and stays.
struct ClampedNegatives {
  static constexpr bool kUsesT = false;
  static constexpr bool kHasHard = false;

  static QCF_HD Negative negative(const NegativeParams&, float c, float) {
    constexpr float kEnd = static_cast<float>(1.0 - kCosineGuard);
    const bool above = c > kEnd, below = c < -kEnd;
    const float low = c < -2.0f ? c : -kEnd;
    return {above ? kEnd : (below ? low : c), above || below ? 0.0f : 1.0f, false};
  }
};

template <class... Rules>
struct NegativesPack {
  static constexpr int kCount = static_cast<int>(sizeof...(Rules));
};
using NegativesList = NegativesPack<PlainNegatives, CurricularNegatives, MvNegatives, ClampedNegatives>;

/// Place of a rule in a list.
template <class Rule, class First, class... Rest>
constexpr int negatives_index(NegativesPack<First, Rest...>) {
  if constexpr (__is_same(Rule, First)) {
    return 0;
  } else {
    return 1 + negatives_index<Rule>(NegativesPack<Rest...>{});
  }
}

}  // namespace qcface::kernels
