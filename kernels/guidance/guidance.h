// Magnitude guidance (math.md section 5): how far the length z of an embedding is from the length z*(p) that its plain
// class probability p asks for.
//   f(z, p) = A / (z + eps) + E z,  A = 1 + (k - 1) p,  E = 1/la^2 + (k/ua^2 - 1/la^2) p
// Neither A nor E cancels for any p in [0, 1], so nothing here needs 1 - p.
#pragma once

#include <cmath>

#include "kernels/device/host_device.h"

namespace qcface::kernels {

template <class Real>
struct GuidanceParams {
  Real eps;
  Real k_minus_1;  // A = 1 + k_minus_1 p
  Real inv_la2;    // E = inv_la2 + e_slope p
  Real e_slope;
};

/// k solves z*(1/2) = (ua + la) / 2 with eps left out. Always in double: it is a constant of the run.
template <class Real>
GuidanceParams<Real> make_guidance(double ua, double la, double eps) {
  const double ratio = ua / la;
  const double k = ratio * ratio * (ua + 3 * la) / (3 * ua + la);
  return {static_cast<Real>(eps), static_cast<Real>(k - 1), static_cast<Real>(1 / (la * la)),
          static_cast<Real>(k / (ua * ua) - 1 / (la * la))};
}

template <class Real>
struct GuidanceValue {
  Real excess;  // f(z, p) - f(z*, p); dips below 0 by up to 1e-4, see math.md section 5
  Real slope;   // df/dz
  Real zstar;
};

template <class Real>
QCF_HD GuidanceValue<Real> guidance(const GuidanceParams<Real>& params, Real z, Real p) {
  const Real a = Real(1) + params.k_minus_1 * p;
  const Real e = params.inv_la2 + params.e_slope * p;
  GuidanceValue<Real> out;
  out.zstar = std::sqrt(a / (e + params.eps));
  const Real guarded = z + params.eps;
  out.slope = e - a / (guarded * guarded);
  // the difference of the two values of f, formed without subtracting them
  out.excess = (z - out.zstar) * (e - a / (guarded * (out.zstar + params.eps)));
  return out;
}

}  // namespace qcface::kernels
