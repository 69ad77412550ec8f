// Target logit of the angular-margin heads (math.md section 2): T(c) and its slope, from the target cosine c and
// S = |wh_y - c xh| = sin(theta). S is an input because sqrt(1 - c^2) has no correct digit left near theta = 0.
#pragma once

#include "kernels/heads/host_device.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

template <class Real>
struct TargetParams {
  qcf_rule rule;
  Real cos_m, sin_m;
  Real switch_c;  // cos(pi - m): threshold rule
  Real drop;      // m sin(pi - m): threshold rule
  Real s_min;     // floor under S in the slope
};

template <class Real>
struct TargetValue {
  Real margin;  // M = cos(theta + m), whatever the rule chose: what a negative must exceed to be hard
  Real logit;   // T
  Real slope;   // dT/dc
};

template <class Real>
QCF_HD TargetValue<Real> margin_target(const TargetParams<Real>& params, Real c, Real sin_theta) {
  TargetValue<Real> out;
  out.margin = c * params.cos_m - sin_theta * params.sin_m;
  const Real floor_s = sin_theta > params.s_min ? sin_theta : params.s_min;
  const Real margin_slope = params.cos_m + params.sin_m * c / floor_s;
  bool on = true;
  Real fallback = c;
  if (params.rule == QCF_RULE_EASY) {
    on = c > Real(0);
  } else if (params.rule == QCF_RULE_THRESHOLD) {
    on = c > params.switch_c;
    fallback = c - params.drop;
  }
  out.logit = on ? out.margin : fallback;
  out.slope = on ? margin_slope : Real(1);
  return out;
}

}  // namespace qcface::kernels
