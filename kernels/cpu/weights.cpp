// Stage 4: second pass over the class weights. Cosines are computed again (2 N K_loc D flops) rather than kept
// (4 N K_loc bytes), then dw_j = (H_j - (H_j . wh_j) wh_j) / |w_j| with H = g^T xh (2 N K_loc D flops).
// Reads w once, writes dw once (4 K_loc D bytes each; adding also reads it). With the fused optimiser dw stays in a
// tile of the worker's scratch, and w and velocity are read and written once.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/plan.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

/// Adds the target entry of one row to its class: g_iy (xh_i - c wh_y) / |w_y|. Kept out of the product, because near
/// theta = 0 a large slope meets a small difference.
void add_target(const qcf_head_config& config, const Plan& plan, const LocalLabel& label, float* dw) {
  const float* w = plan.w + plan.w_row(label.klass) * plan.d;
  const float* x = plan.x + label.row * plan.d;
  double square = 0;
  for (std::int64_t k = 0; k < plan.d; ++k) square += static_cast<double>(w[k]) * static_cast<double>(w[k]);
  const double norm = std::sqrt(square);
  if (norm < kLengthFloor) return;
  const double inv_w = 1.0 / norm;
  const double inv_x = 1.0 / std::max(plan.z[label.row], kLengthFloor);
  const double c = plan.target[label.row];
  const double g = -config.s / plan.batch * plan.one_minus_q[label.row] * plan.slope[label.row] * inv_w;
  for (std::int64_t k = 0; k < plan.d; ++k) {
    const double across = static_cast<double>(x[k]) * inv_x - c * (static_cast<double>(w[k]) * inv_w);
    dw[k] = static_cast<float>(static_cast<double>(dw[k]) + g * across);
  }
}

/// Elements first .. first + count of w and velocity; dw holds their gradients, or is NULL for 0.
void update(const qcf_sgd& sgd, std::int64_t first, std::int64_t count, const float* dw) {
  float* w = sgd.w + first;
  float* velocity = sgd.velocity + first;
  const float lr = *sgd.lr;
  for (std::int64_t k = 0; k < count; ++k) {
    const float g = (dw != nullptr ? dw[k] : 0.0f) + sgd.weight_decay * w[k];
    velocity[k] = sgd.momentum * velocity[k] + g;
    w[k] -= lr * velocity[k];
  }
}

/// Classes first .. first + count of those that take part.
void update_classes(const qcf_sgd& sgd, const Plan& plan, std::int64_t first, std::int64_t count,
                    const float* dw) {
  if (plan.sampled == nullptr) return update(sgd, first * plan.d, count * plan.d, dw);
  for (std::int64_t j = 0; j < count; ++j) {
    update(sgd, plan.sampled[first + j] * plan.d, plan.d, dw != nullptr ? dw + j * plan.d : nullptr);
  }
}

}  // namespace

qcf_status weights(const qcf_head_config& config, const qcf_head_args& args, const Plan& plan) {
  const qcf_sgd* sgd = args.sgd;
  if (args.dw == nullptr && sgd == nullptr) return QCF_OK;
  if (sgd != nullptr && sgd->skip != nullptr && *sgd->skip != 0) return QCF_OK;
  const bool accumulate = args.dw_mode == QCF_GRADIENT_ACCUMULATE;
  if (plan.n == 0) {
    if (args.dw != nullptr && !accumulate) std::fill_n(args.dw, plan.classes * plan.d, 0.0f);
    if (sgd != nullptr)
      update_classes(*sgd, plan, 0, plan.classes, nullptr);  // decay and momentum act all the same
    return QCF_OK;
  }
  const TileOps& ops = *plan.ops;
  // A gradient that no cache could hold until it is used is written past them: saves reading it first.
  constexpr std::int64_t kStreamFloats = 4 << 20;
  const bool stream = !accumulate && sgd == nullptr && plan.classes * plan.d > kStreamFloats &&
                      plan.d % 16 == 0 && reinterpret_cast<std::uintptr_t>(args.dw) % 64 == 0;
  parallel_for_worker(plan.tiles, plan.threads, [&](std::int64_t tile, int worker) {
    const Scratch scratch = split_scratch(plan, worker);
    const std::int64_t first = tile * kTileClasses;
    const ClassTile classes = class_tile(plan, scratch, tile);
    // Rows were checked in the first pass.
    (void)ops.load(classes, plan.d_pad, nullptr, scratch.inv_norm, scratch.grad_scale);
    ops.cosines(classes.w, plan.d, ops.panel, classes.classes, plan.d, plan.xt, plan.n, plan.n_pad,
                scratch.inv_norm, scratch.c);
    const LocalLabel* const labels_end = plan.labels + plan.state->local_labels;
    const LocalLabel* const begin =
        std::lower_bound(static_cast<const LocalLabel*>(plan.labels), labels_end, first,
                         [](const LocalLabel& l, std::int64_t klass) { return l.klass < klass; });
    const LocalLabel* end = begin;
    for (; end != labels_end && end->klass < first + classes.classes; ++end) {
      scratch.c[(end->klass - first) * plan.n_pad + end->row] = kExcluded;
    }
    FactorTile f{};
    f.c = scratch.c;
    f.classes = classes.classes;
    f.n_pad = plan.n_pad;
    f.s = static_cast<float>(config.s);
    f.negative = {plan.state->t, static_cast<float>(config.mv_a)};
    f.margin = plan.margin;
    f.shift = plan.shift;
    f.factor = plan.factor;
    f.dot = scratch.dot;
    ops.factors[head_row(config.kind)->negatives](f);
    for (int j = 0; j < classes.classes; ++j) scratch.dot[j] *= scratch.grad_scale[j] * scratch.inv_norm[j];
    WeightTile t{};
    t.tile = classes;
    t.g = scratch.c;
    t.n = plan.n;
    t.n_pad = plan.n_pad;
    t.d_pad = plan.d_pad;
    t.xp = plan.xp;
    t.grad_scale = scratch.grad_scale;
    t.pull = scratch.dot;
    t.dw = plan.tile_dw ? scratch.dw : args.dw + first * plan.d;
    t.accumulate = accumulate;
    t.stream = stream;
    ops.weight_gradients(t);
    for (const LocalLabel* l = begin; l != end; ++l) {
      add_target(config, plan, *l, t.dw + (l->klass - first) * plan.d);
    }
    if (sgd != nullptr) update_classes(*sgd, plan, first, classes.classes, t.dw);
  });
  return QCF_OK;
}

}  // namespace qcface::kernels
