// The mathematics of one row, once for every device: of the batch (loss, probabilities, the factors of both passes, dx) and of
// the class weights (the label's part of dw). In double: N D work.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/device/host_device.h"
#include "kernels/guidance/magnitude_loss.h"
#include "kernels/heads/floor.h"
#include "kernels/heads/target_rule.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

/// 1 / max(length, floor); NaN stays NaN.
QCF_HD double inverse_length(double length) { return 1.0 / (length < kLengthFloor ? kLengthFloor : length); }

/// a . b / (|a| |b|) within [-1, 1].
QCF_HD double unit_cosine(double dot, double inverse_a, double inverse_b) {
  const double c = dot * inverse_a * inverse_b;
  return c < -1.0 ? -1.0 : (c > 1.0 ? 1.0 : c);
}

/// What of an element lies across another vector: of - c from. Formed before anything is multiplied with it, because near
/// theta = 0 a large slope meets a small difference and only their product is bounded.
QCF_HD double across(double of, double c, double from) { return of - c * from; }

QCF_HD double softplus(double v) { return (v > 0 ? v : 0.0) + std::log1p(std::exp(-std::fabs(v))); }

QCF_HD double sigmoid(double v) {
  const double e = std::exp(-std::fabs(v));
  return v >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/// Settings of the rows, made once a call.
struct RowParams {
  double s, lambda, batch;
  double scale, guidance_scale;  // s / B and lambda / B
  bool norm;                     // the magnitude loss takes part
  TargetParams target;
  MagnitudeParams magnitude;
};

struct RowValues {
  TargetValue target;
  double nll, one_minus_q, p;
  GuidanceValue<double> guide;
  double dz;
  double inv_z;         // 0 for a row without direction
  double factor;        // s / B (1 - q) / z, of dx
  float log_shift;      // second pass: g_ij = weight_factor exp(s N_ij - log_shift) N'_ij
  float weight_factor;  //
};

template <class Head>
QCF_HD RowValues row_values(const RowParams& params, const TargetInput& in, double log_sum,
                            double plain_log_sum) {
  RowValues r{};
  r.target = Head::target(params.target, in);
  const double distance = log_sum - params.s * r.target.logit;
  r.nll = softplus(distance);
  r.one_minus_q = sigmoid(distance);
  r.p = sigmoid(params.s * r.target.cosine - plain_log_sum);
  r.guide = Head::MagnitudeLoss::value(params.magnitude, in.z, r.p);
  const bool live = in.z >= kLengthFloor;  // a zero row has no radius to go along
  if (live && params.norm) r.dz = params.guidance_scale * r.guide.slope;
  if (live) r.dz -= params.scale * r.one_minus_q * r.target.length_slope;
  // exp(s N - Ln) is taken as exp(s N - shift) in fp32 times what rounding Ln to fp32 left out
  r.log_shift = static_cast<float>(log_sum);
  r.weight_factor =
      static_cast<float>(params.scale * r.one_minus_q * std::exp(static_cast<double>(r.log_shift) - log_sum));
  r.inv_z = live ? 1.0 / in.z : 0.0;
  r.factor = params.scale * r.one_minus_q * r.inv_z;
  return r;
}

/// Where the values of a row go; each may be NULL.
struct RowOutputs {
  float *z, *c, *t, *nll, *one_minus_q, *p, *zstar, *lg, *dz, *tangent;
  std::int32_t *rank, *hard;

  static QCF_HD void put(float* out, std::int64_t i, double value) {
    if (out != nullptr) out[i] = static_cast<float>(value);
  }
  /// counts: of classes above the label, and of negatives rewritten.
  QCF_HD void write(std::int64_t i, double length, const RowValues& r, double above, double rewritten) const {
    put(z, i, length);
    put(c, i, r.target.cosine);
    put(t, i, r.target.logit);
    put(nll, i, r.nll);
    put(one_minus_q, i, r.one_minus_q);
    put(p, i, r.p);
    put(zstar, i, r.guide.zstar);
    put(lg, i, r.guide.excess);
    put(dz, i, r.dz);
    if (rank != nullptr) rank[i] = static_cast<std::int32_t>(above);
    if (hard != nullptr) hard[i] = static_cast<std::int32_t>(rewritten);
  }
};
inline RowOutputs row_outputs(const qcf_head_args& a) {
  return {a.row_z,     a.row_c,  a.row_t,  a.row_nll,     a.row_one_minus_q, a.row_p,
          a.row_zstar, a.row_lg, a.row_dz, a.row_tangent, a.row_rank,        a.row_hard};
}

/// Where dx goes; each may be NULL.
struct DxOutputs {
  float *dx, *direction, *magnitude;
  bool accumulate;
  bool along;  // whether dx holds the part along x: of the ranks that share the classes one's does

  QCF_HD void put(float* out, std::int64_t at, double value) const {
    if (out != nullptr)
      out[at] = static_cast<float>(accumulate ? static_cast<double>(out[at]) + value : value);
  }
  /// The parts across and along x of one element.
  QCF_HD void write(std::int64_t at, double across_x, double along_x) const {
    put(direction, at, across_x);
    put(magnitude, at, along_x);
    put(dx, at, along ? across_x + along_x : across_x);
  }
};
inline DxOutputs dx_outputs(const qcf_head_args& a) {
  return {a.dx, a.dx_direction, a.dx_magnitude, a.dx_mode == QCF_GRADIENT_ACCUMULATE, a.class_offset == 0};
}

/// The part across x_i of an element of dx_i. vector: of the weighted class vector; along: that vector . xh. w: element of the
/// label's row, NULL if another rank holds it; inv_w: 1 / its length; c: its cosine.
QCF_HD double dx_across(const RowValues& row, double vector, double along, double xh, const float* w,
                        double inv_w, double c) {
  double direction = vector - along * xh;
  if (w != nullptr) direction -= row.target.slope * across(static_cast<double>(*w) * inv_w, c, xh);
  return direction * row.factor;
}

/// Factor of the label's part of dw_y, which is this times (xh_i - c wh_y). scale: s / B.
QCF_HD double label_gradient(double scale, double one_minus_q, double slope, double inv_w) {
  return -scale * one_minus_q * slope * inv_w;
}

/// losses [3] from the sums of nll and L_g over the rows.
QCF_HD void batch_losses(const RowParams& params, double nll, double excess, double* losses) {
  const double batch = params.batch > 0 ? params.batch : 1.0;
  losses[1] = nll / batch;
  losses[2] = params.norm ? excess / batch : 0.0;
  losses[0] = losses[1] + (params.norm ? params.lambda * losses[2] : 0.0);
}

}  // namespace qcface::kernels
