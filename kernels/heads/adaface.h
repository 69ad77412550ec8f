// adaface: the margin's angle and offset follow the length relative to the running lengths of the batches. The length carries
// no gradient; cosines are clamped to +-(1 - 1e-3) and carry none outside.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct AdafaceHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_ADAFACE;
  static constexpr const char* kName = "adaface";
  using Negatives = ClampedNegatives;
  using MagnitudeLoss = NoMagnitudeLoss;
  static constexpr State kState = State::kLengthStats;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_ID, 64, 0.4, 1};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    constexpr double kPi = 3.14159265358979323846;
    const double low = -1.0 + kCosineGuard, high = 1.0 - kCosineGuard;
    const bool inside = in.c >= low && in.c <= high;
    const double c = in.c < low ? low : (in.c > high ? high : in.c);
    double g = (clipped_length(in.z) - in.length_mean) / (in.length_std + kCosineGuard) * params.ada_h;
    g = g < -1.0 ? -1.0 : (g > 1.0 ? 1.0 : g);
    const double wanted = std::acos(c) - params.m * g;
    const bool free = wanted >= kCosineGuard && wanted <= kPi - kCosineGuard;
    const double psi = wanted < kCosineGuard ? kCosineGuard : (free ? wanted : kPi - kCosineGuard);
    const double logit = bounded_cos(psi) - (params.m + params.m * g);
    // inside the clamp sin(theta) is at least 0.04
    return {c, logit, logit, inside && free ? bounded_sin(psi) / in.sin_theta : 0.0, 0.0};
  }

  /// Lengths as the statistics see them.
  static QCF_HD double clipped_length(double z) { return z < 1e-3 ? 1e-3 : (z > 100.0 ? 100.0 : z); }
};

}  // namespace qcface::kernels
