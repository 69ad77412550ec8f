// The losses on an embedding's length z that a head can have. p: plain probability of the label.
#pragma once

#include "kernels/guidance/guidance.h"

namespace qcface::kernels {

struct MagnitudeParams {
  GuidanceParams<double> guidance;
  double mag_la, mag_ua;  // MagFace
};

/// QCFace's guidance (math.md section 5).
struct Guidance {
  static constexpr bool kExists = true;
  static QCF_HD GuidanceValue<double> value(const MagnitudeParams& params, double z, double p) {
    return guidance(params.guidance, z, p);
  }
};

/// MagFace's g(a) = a / ua^2 + 1 / a, a = clamp(z, la, ua) (math.md section 9b). It has no preferred length a row.
struct MagfaceLoss {
  static constexpr bool kExists = true;
  static QCF_HD GuidanceValue<double> value(const MagnitudeParams& params, double z, double) {
    const bool inside = z >= params.mag_la && z <= params.mag_ua;
    const double a = z < params.mag_la ? params.mag_la : (z > params.mag_ua ? params.mag_ua : z);
    const double inv_square = 1.0 / (params.mag_ua * params.mag_ua);
    return {a * inv_square + 1.0 / a, inside ? inv_square - 1.0 / (a * a) : 0.0, 0.0};
  }
};

struct NoMagnitudeLoss {
  static constexpr bool kExists = false;
  static QCF_HD GuidanceValue<double> value(const MagnitudeParams&, double, double) {
    return {0.0, 0.0, 0.0};
  }
};

}  // namespace qcface::kernels
