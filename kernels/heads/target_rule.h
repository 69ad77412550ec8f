// Target logit T and its slopes (math.md sections 2 and 9), from the target cosine c and S = |wh_y - c xh| = sin(theta). S is
// an input because sqrt(1 - c^2) has no correct digit left near theta = 0. Everything here is a matter of one row: double.
#pragma once

#include <cmath>

#include "kernels/device/host_device.h"
#include "kernels/heads/negatives.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

/// Constants of a run.
struct TargetParams {
  qcf_rule rule;
  bool unit_slope;
  double m, cos_m, sin_m;
  double switch_c;                           // cos(pi - m): threshold rule
  double drop;                               // m sin(pi - m): threshold rule
  double s_min;                              // floor under S in the slope
  double mag_la, mag_ua, mag_lm, mag_slope;  // MagFace: m(a) = mag_lm + mag_slope (a - mag_la)
  double ada_h;
};

/// What a row brings.
struct TargetInput {
  double c, sin_theta, z;
  double length_mean, length_std;  // AdaFace's state, already updated for this step
};

struct TargetValue {
  double cosine;        // c as the head sees it
  double margin;        // what a negative must exceed to be hard, whatever the rule chose
  double logit;         // T
  double slope;         // dT/dc
  double length_slope;  // dT/dz
};

QCF_HD double bounded_sin(double angle) {  // the general ones need a stack for huge angles on a GPU
#if defined(__CUDA_ARCH__)
  return sinpi(angle * 0.31830988618379067154);
#else
  return std::sin(angle);
#endif
}
QCF_HD double bounded_cos(double angle) {
#if defined(__CUDA_ARCH__)
  return cospi(angle * 0.31830988618379067154);
#else
  return std::cos(angle);
#endif
}

/// T = c - m.
QCF_HD TargetValue additive_target(const TargetParams& params, const TargetInput& in) {
  return {in.c, in.c - params.m, in.c - params.m, 1.0, 0.0};
}

/// T = cos(theta + m) with the rule's fallback. m's sine and cosine are arguments because MagFace's m depends on the row.
QCF_HD TargetValue angular_target(const TargetParams& params, const TargetInput& in, double cos_m,
                                  double sin_m, double switch_c, double drop, bool* on_margin) {
  const double margin = in.c * cos_m - in.sin_theta * sin_m;
  const double floor_s = in.sin_theta > params.s_min ? in.sin_theta : params.s_min;
  bool on = true;
  double fallback = in.c;
  if (params.rule == QCF_RULE_EASY) {
    on = in.c > 0.0;
  } else if (params.rule == QCF_RULE_THRESHOLD) {
    on = in.c > switch_c;
    fallback = in.c - drop;
  }
  *on_margin = on;
  return {in.c, margin, on ? margin : fallback, on ? cos_m + sin_m * in.c / floor_s : 1.0, 0.0};
}

QCF_HD TargetValue angular_target(const TargetParams& params, const TargetInput& in) {
  bool on = false;
  return angular_target(params, in, params.cos_m, params.sin_m, params.switch_c, params.drop, &on);
}

}  // namespace qcface::kernels
