// Stage 3: everything that is a matter of one row. Losses, row values, t, dx and the factors of the second pass. In
// double throughout: N x D work. Reads the partial vectors of stage 2 (4 parts N D bytes).
#include <algorithm>
#include <cmath>

#include "kernels/cpu/plan.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

double softplus(double v) { return std::max(v, 0.0) + std::log1p(std::exp(-std::fabs(v))); }

double sigmoid(double v) {
  const double e = std::exp(-std::fabs(v));
  return v >= 0 ? 1 / (1 + e) : e / (1 + e);
}

struct RowResult {
  TargetValue target;
  double nll, one_minus_q, p;
  GuidanceValue<double> guide;
  double dz;
};

void put(float* out, std::int64_t i, double value) {
  if (out != nullptr) out[i] = static_cast<float>(value);
}

void put_gradient(float* out, std::int64_t i, double value, bool accumulate) {
  if (out != nullptr) out[i] = static_cast<float>(accumulate ? static_cast<double>(out[i]) + value : value);
}

/// Settings of the rows, made once a call.
struct RowParams {
  const HeadRow& head;
  TargetParams target;
  MagnitudeParams magnitude;
};

RowResult row_values(const qcf_head_config& config, const Plan& plan, const RowParams& params,
                     std::int64_t i) {
  RowResult r{};
  r.target = params.head.target(params.target, plan.target_input(i));
  const double distance = plan.log_sums[i] - config.s * r.target.logit;
  r.nll = softplus(distance);
  r.one_minus_q = sigmoid(distance);
  r.p = sigmoid(config.s * r.target.cosine - plan.log_sums[plan.n + i]);
  r.guide = params.head.magnitude_loss(params.magnitude, plan.z[i], r.p);
  const bool live = plan.z[i] >= kLengthFloor;  // a zero row has no radius to go along
  if (live && config.phase == QCF_PHASE_NORM) r.dz = config.lambda / plan.batch * r.guide.slope;
  if (live) r.dz -= config.s / plan.batch * r.one_minus_q * r.target.length_slope;
  return r;
}

/// One row of dx. The combined vector is made in chunks on the stack, twice if it does not fit in one.
void gradient_row(const qcf_head_config& config, const qcf_head_args& args, const Plan& plan,
                  const RowResult& r, std::int64_t i, std::int64_t klass) {
  constexpr std::int64_t kChunk = 512;
  double vector[kChunk];
  const std::int64_t d = plan.d;
  const float* x = plan.x + i * d;
  const bool live = plan.z[i] >= kLengthFloor;
  const double inv_z = live ? 1.0 / plan.z[i] : 0.0;
  const double factor = config.s / plan.batch * r.one_minus_q * inv_z;

  double part_scale[kMaxParts];
  for (int p = 0; p < plan.parts; ++p) {
    const std::int64_t at = p * 2 * plan.n_pad + i;
    part_scale[p] =
        plan.part_sums[at] > 0 ? std::exp(static_cast<double>(plan.part_shifts[at]) - plan.log_sums[i]) : 0.0;
  }
  const auto gather = [&](std::int64_t k0, std::int64_t count) {
    std::fill_n(vector, count, 0.0);
    for (int p = 0; p < plan.parts; ++p) {
      const float* v = plan.part_vectors + (p * plan.n + i) * plan.d_pad + k0;
      for (std::int64_t k = 0; k < count; ++k) vector[k] += part_scale[p] * static_cast<double>(v[k]);
    }
  };
  double along = 0;  // (weighted class vector) . xh
  if (plan.vectors) {
    for (std::int64_t k0 = 0; k0 < d; k0 += kChunk) {
      const std::int64_t count = std::min(kChunk, d - k0);
      gather(k0, count);
      for (std::int64_t k = 0; k < count; ++k) along += vector[k] * (static_cast<double>(x[k0 + k]) * inv_z);
    }
  }
  // The target's own part is formed from wh_y - c xh, not from wh_y: near theta = 0 the slope T' is large and the
  // difference small, and only their product is bounded.
  const float* w = klass >= 0 ? plan.w + plan.w_row(klass) * d : nullptr;
  double inv_w = 0;
  if (w != nullptr) {
    double square = 0;
    for (std::int64_t k = 0; k < d; ++k) square += static_cast<double>(w[k]) * static_cast<double>(w[k]);
    inv_w = 1.0 / std::max(std::sqrt(square), kLengthFloor);
  }
  const double c = plan.target[i];
  const bool accumulate = args.dx_mode == QCF_GRADIENT_ACCUMULATE;
  double tangent = 0;
  for (std::int64_t k0 = 0; k0 < d; k0 += kChunk) {
    const std::int64_t count = std::min(kChunk, d - k0);
    if (plan.vectors && d > kChunk) gather(k0, count);  // one chunk is still there
    for (std::int64_t k = 0; k < count; ++k) {
      const double xh = static_cast<double>(x[k0 + k]) * inv_z;
      const std::int64_t at = i * d + k0 + k;
      double direction = 0;
      if (plan.vectors) {
        direction = vector[k] - along * xh;
        if (w != nullptr) direction -= r.target.slope * (static_cast<double>(w[k0 + k]) * inv_w - c * xh);
        direction *= factor;
        tangent += direction * direction;
      }
      const double magnitude = r.dz * xh;
      put_gradient(args.dx_direction, at, direction, accumulate);
      put_gradient(args.dx_magnitude, at, magnitude, accumulate);
      put_gradient(args.dx, at, direction + magnitude, accumulate);
    }
  }
  put(args.row_tangent, i, std::sqrt(tangent));
}

}  // namespace

qcf_status finish(const qcf_head_config& config, const qcf_head_args& args, const Plan& plan) {
  const RowParams params{*head_row(config.kind), make_target_params(config), make_magnitude_params(config)};
  double loss_id = 0, loss_g = 0;
  for (std::int64_t i = 0; i < plan.n; ++i) {
    const RowResult r = row_values(config, plan, params, i);
    loss_id += r.nll;
    loss_g += r.guide.excess;
    plan.one_minus_q[i] = r.one_minus_q;
    plan.slope[i] = r.target.slope;
    // exp(s N - Ln) is taken as exp(s N - shift) in fp32 times what rounding Ln to fp32 left out
    plan.shift[i] = static_cast<float>(plan.log_sums[i]);
    plan.factor[i] = static_cast<float>(config.s / plan.batch * r.one_minus_q *
                                        std::exp(static_cast<double>(plan.shift[i]) - plan.log_sums[i]));
    put(args.row_z, i, plan.z[i]);
    put(args.row_c, i, r.target.cosine);
    put(args.row_t, i, r.target.logit);
    put(args.row_nll, i, r.nll);
    put(args.row_one_minus_q, i, r.one_minus_q);
    put(args.row_p, i, r.p);
    put(args.row_zstar, i, r.guide.zstar);
    put(args.row_lg, i, r.guide.excess);
    put(args.row_dz, i, r.dz);
    if (args.row_rank != nullptr) args.row_rank[i] = static_cast<std::int32_t>(plan.counts[i]);
    if (args.row_hard != nullptr) args.row_hard[i] = static_cast<std::int32_t>(plan.counts[plan.n + i]);
  }
  for (std::int64_t i = plan.n; i < plan.n_pad; ++i) plan.shift[i] = plan.factor[i] = 0.0f;
  if (args.losses != nullptr) {
    const double batch = plan.batch > 0 ? plan.batch : 1.0;
    args.losses[1] = loss_id / batch;
    args.losses[2] = config.phase == QCF_PHASE_NORM ? loss_g / batch : 0.0;
    args.losses[0] = args.losses[1] + (config.phase == QCF_PHASE_NORM ? config.lambda * args.losses[2] : 0.0);
  }
  if (config.training != 0 && plan.n > 0) {
    if (params.head.has_t) *args.t = plan.state->t;
    if (params.head.has_length_stats) {
      args.length_stats[0] = plan.state->length_mean;
      args.length_stats[1] = plan.state->length_std;
    }
  }

  if (!plan.vectors && args.dx_magnitude == nullptr) return QCF_OK;
  const auto gradient = [&](std::int64_t i, std::int64_t klass) {
    gradient_row(config, args, plan, row_values(config, plan, params, i), i, klass);
  };
  const std::int64_t local = plan.state->local_labels;
  parallel_for_range(local, 4, plan.threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t l = begin; l < end; ++l) gradient(plan.labels[l].row, plan.labels[l].klass);
  });
  if (local == plan.n) return QCF_OK;
  // Rows whose class another rank holds: those that the sorted list does not name.
  parallel_for_range(plan.n, 4, plan.threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t label = args.label_type == QCF_LABEL_I64
                                     ? static_cast<const std::int64_t*>(args.labels)[i]
                                     : static_cast<const std::int32_t*>(args.labels)[i];
      if (label < plan.offset || label >= plan.offset + plan.w_rows) gradient(i, -1);
    }
  });
  return QCF_OK;
}

}  // namespace qcface::kernels
