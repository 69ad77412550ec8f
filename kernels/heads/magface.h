// magface: the margin grows with the length, m(a) = mag_lm + mag_slope (a - mag_la), a = clamp(z, mag_la, mag_ua), and nothing
// is detached: the identity loss pushes lengths through dT/da.
#pragma once

#include "kernels/heads/head.h"

namespace qcface::kernels {

struct MagfaceHead {
  static constexpr qcf_head_kind kKind = QCF_HEAD_MAGFACE;
  static constexpr const char* kName = "magface";
  using Negatives = PlainNegatives;
  using MagnitudeLoss = MagfaceLoss;
  static constexpr State kState = State::kNone;
  static constexpr Defaults kDefaults{QCF_RULE_EASY, QCF_PHASE_NORM, 64, 0.5, 20};

  static QCF_HD TargetValue target(const TargetParams& params, const TargetInput& in) {
    const bool inside = in.z >= params.mag_la && in.z <= params.mag_ua;
    const double a = in.z < params.mag_la ? params.mag_la : (in.z > params.mag_ua ? params.mag_ua : in.z);
    const double m = params.mag_lm + params.mag_slope * (a - params.mag_la);
    const double cos_m = bounded_cos(m), sin_m = bounded_sin(m);
    bool on = false;
    TargetValue out = angular_target(params, in, cos_m, sin_m, -cos_m, m * sin_m, &on);
    double along = 0.0;  // dT/dm
    if (on) {
      along = -(in.sin_theta * cos_m + in.c * sin_m);
    } else if (params.rule == QCF_RULE_THRESHOLD) {
      along = -(sin_m + m * cos_m);
    }
    out.length_slope = inside ? along * params.mag_slope : 0.0;
    return out;
  }
};

}  // namespace qcface::kernels
