// Stage 4: second pass over the class weights. Cosines are computed again (2 N K_loc D flops) rather than kept
// (4 N K_loc bytes), then dw_j = (H_j - (H_j . wh_j) wh_j) / |w_j| with H = g^T xh (2 N K_loc D flops).
// Reads w once, writes dw once (4 K_loc D bytes each; adding also reads it). With the fused optimiser dw stays in a
// tile of the worker's scratch, and w and the slot are read and written once.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/layout.h"
#include "kernels/device/parallel.h"
#include "kernels/device/update.h"

namespace qcface::kernels {
namespace {

/// Adds the target entry of one row to its class: g_iy (xh_i - c wh_y) / |w_y|.
void add_target(const qcf_head_config& config, const Layout& layout, const SortedLabel& label, float* dw) {
  const float* w = layout.w + layout.w_row(label.klass) * layout.d;
  const float* x = layout.x + label.row * layout.d;
  double square = 0;
  for (std::int64_t k = 0; k < layout.d; ++k) square += static_cast<double>(w[k]) * static_cast<double>(w[k]);
  const double norm = std::sqrt(square);
  if (norm < kLengthFloor) return;
  const double inv_w = 1.0 / norm;
  const double inv_x = inverse_length(layout.z[label.row]);
  const double c = layout.target[label.row];
  const double g =
      label_gradient(config.s / layout.batch, layout.one_minus_q[label.row], layout.slope[label.row], inv_w);
  for (std::int64_t k = 0; k < layout.d; ++k) {
    const double part = across(static_cast<double>(x[k]) * inv_x, c, static_cast<double>(w[k]) * inv_w);
    dw[k] = static_cast<float>(static_cast<double>(dw[k]) + g * part);
  }
}

/// Elements first .. first + count of w and the slot; dw holds their gradients, or is NULL for 0.
void update(const qcf_optimiser& optimiser, std::int64_t first, std::int64_t count, const float* dw) {
  float* w = optimiser.w + first;
  float* slot = optimiser.slots[0] + first;
  const UpdateRule rule{*optimiser.lr, optimiser.momentum, optimiser.weight_decay};
  for (std::int64_t k = 0; k < count; ++k) rule.apply(dw != nullptr ? dw[k] : 0.0f, w[k], slot[k]);
}

/// Classes first .. first + count of those that take part.
void update_classes(const qcf_optimiser& optimiser, const Layout& layout, std::int64_t first,
                    std::int64_t count, const float* dw) {
  if (layout.sampled == nullptr) return update(optimiser, first * layout.d, count * layout.d, dw);
  for (std::int64_t j = 0; j < count; ++j) {
    update(optimiser, layout.sampled[first + j] * layout.d, layout.d,
           dw != nullptr ? dw + j * layout.d : nullptr);
  }
}

}  // namespace

qcf_status weights(const qcf_head_config& config, const qcf_head_args& args, const Layout& layout) {
  const qcf_optimiser* optimiser = args.optimiser;
  if (args.dw == nullptr && optimiser == nullptr) return QCF_OK;
  if (optimiser != nullptr && optimiser->skip != nullptr && *optimiser->skip != 0) return QCF_OK;
  const bool accumulate = args.dw_mode == QCF_GRADIENT_ACCUMULATE;
  if (layout.n == 0) {
    if (args.dw != nullptr && !accumulate) std::fill_n(args.dw, layout.classes * layout.d, 0.0f);
    if (optimiser != nullptr)
      update_classes(*optimiser, layout, 0, layout.classes, nullptr);  // decay and momentum act all the same
    return QCF_OK;
  }
  const TileOps& ops = *layout.ops;
  // A gradient that no cache could hold until it is used is written past them: saves reading it first.
  constexpr std::int64_t kStreamFloats = 4 << 20;
  const bool stream = !accumulate && optimiser == nullptr && layout.classes * layout.d > kStreamFloats &&
                      layout.d % 16 == 0 && reinterpret_cast<std::uintptr_t>(args.dw) % 64 == 0;
  parallel_for_worker(layout.tiles, layout.threads, [&](std::int64_t tile, int worker) {
    const Scratch scratch = split_scratch(layout, worker);
    const std::int64_t first = tile * kTileClasses;
    const ClassTile classes = class_tile(layout, scratch, tile);
    // Rows were checked in the first pass.
    (void)ops.load(classes, layout.d_pad, nullptr, scratch.inv_norm, scratch.grad_scale);
    ops.cosines(classes.w, layout.d, ops.panel, classes.classes, layout.d, layout.xt, layout.n, layout.n_pad,
                scratch.inv_norm, scratch.c);
    const SortedLabel* const labels_end = layout.labels + layout.state->local_labels;
    const SortedLabel* const begin =
        std::lower_bound(static_cast<const SortedLabel*>(layout.labels), labels_end, first,
                         [](const SortedLabel& l, std::int64_t klass) { return l.klass < klass; });
    const SortedLabel* end = begin;
    for (; end != labels_end && end->klass < first + classes.classes; ++end) {
      scratch.c[(end->klass - first) * layout.n_pad + end->row] = kExcluded;
    }
    FactorTile f{};
    f.c = scratch.c;
    f.classes = classes.classes;
    f.n_pad = layout.n_pad;
    f.s = static_cast<float>(config.s);
    f.negative = {layout.state->t, static_cast<float>(config.mv_a)};
    f.margin = layout.margin;
    f.shift = layout.shift;
    f.factor = layout.factor;
    f.dot = scratch.dot;
    ops.factors[head_row(config.kind)->negatives](f);
    for (int j = 0; j < classes.classes; ++j) scratch.dot[j] *= scratch.grad_scale[j] * scratch.inv_norm[j];
    WeightTile t{};
    t.tile = classes;
    t.g = scratch.c;
    t.n = layout.n;
    t.n_pad = layout.n_pad;
    t.d_pad = layout.d_pad;
    t.xp = layout.xp;
    t.grad_scale = scratch.grad_scale;
    t.pull = scratch.dot;
    t.dw = layout.tile_dw ? scratch.dw : args.dw + first * layout.d;
    t.accumulate = accumulate;
    t.stream = stream;
    ops.weight_gradients(t);
    for (const SortedLabel* l = begin; l != end; ++l) {
      add_target(config, layout, *l, t.dw + (l->klass - first) * layout.d);
    }
    if (optimiser != nullptr) update_classes(*optimiser, layout, first, classes.classes, t.dw);
  });
  return QCF_OK;
}

}  // namespace qcface::kernels
