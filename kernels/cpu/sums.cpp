// Stage 2: one pass over the class weights. Each part of the classes keeps, for every row, sums of exponentials relative
// to a running shift and, attention-like, sum_j exp(s N_ij - shift_i) N'_ij wh_j. Parts and tiles depend on the sizes
// only, so the result does not depend on which worker took which part.
// Reads w once (4 K_loc D bytes); 2 N K_loc D flops for the cosines and as many for the vectors.
#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cmath>
#include <cstring>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

struct Part {
  float* vectors;
  double *sum, *plain_sum;
  float *shift, *plain_shift;
  std::int32_t *higher, *hard;
};

Part part_of(const Plan& plan, int index) {
  const std::int64_t at = index * 2 * plan.n_pad;
  return {plan.part_vectors + (plan.vectors ? index * plan.n * plan.d_pad : 0),
          plan.part_sums + at,
          plan.part_sums + at + plan.n_pad,
          plan.part_shifts + at,
          plan.part_shifts + at + plan.n_pad,
          plan.part_counts + at,
          plan.part_counts + at + plan.n_pad};
}

/// Returns the first class row with NaN or infinity, or -1.
std::int64_t run_part(const qcf_head_config& config, const Plan& plan, int index, int worker) {
  const TileOps& ops = *plan.ops;
  const Scratch scratch = split_scratch(plan, worker);
  const Part part = part_of(plan, index);
  std::fill_n(part.sum, 2 * plan.n_pad, 0.0);
  std::fill_n(part.shift, 2 * plan.n_pad, 0.0f);
  std::fill_n(part.higher, 2 * plan.n_pad, 0);
  if (plan.vectors) std::fill_n(part.vectors, plan.n * plan.d_pad, 0.0f);
  const LocalLabel* label = plan.labels;
  const LocalLabel* const labels_end = plan.labels + plan.state->local_labels;
  const std::int64_t begin = plan.first_tile(index);
  const std::int64_t end = plan.first_tile(index + 1);
  label = std::lower_bound(label, labels_end, begin * kTileClasses,
                           [](const LocalLabel& l, std::int64_t klass) { return l.klass < klass; });
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const std::int64_t first = tile * kTileClasses;
    const ClassTile classes = class_tile(plan, scratch, tile);
    float* const packed = plan.vectors ? scratch.packed : nullptr;
    const int bad = ops.load(classes, plan.d_pad, packed, scratch.inv_norm, scratch.grad_scale);
    if (bad >= 0) return plan.w_row(first + bad);
    const float* const a = packed != nullptr ? packed : classes.w;
    const std::int64_t row_stride = packed != nullptr ? ops.panel : plan.d;
    const std::int64_t block_stride = packed != nullptr ? std::int64_t{kTileClasses} * ops.panel : ops.panel;
    ops.cosines(a, row_stride, block_stride, classes.classes, plan.d, plan.xt, plan.n, plan.n_pad,
                scratch.inv_norm, scratch.c);
    for (; label != labels_end && label->klass < first + classes.classes; ++label) {
      scratch.c[(label->klass - first) * plan.n_pad + label->row] = kExcluded;
    }
    float* const rows = scratch.rows;
    ExpTile e{};
    e.c = scratch.c;
    e.classes = classes.classes;
    e.n_pad = plan.n_pad;
    e.inv_norm = scratch.inv_norm;
    e.s = static_cast<float>(config.s);
    e.negative = {plan.state->t, static_cast<float>(config.mv_a)};
    e.margin = plan.margin;
    e.target_c = plan.target_c;
    e.shift = part.shift;
    e.plain_shift = part.plain_shift;
    e.sum = rows;
    e.plain_sum = rows + plan.n_pad;
    e.rescale = rows + 2 * plan.n_pad;
    e.plain_rescale = rows + 3 * plan.n_pad;
    e.higher = part.higher;
    e.hard = part.hard;
    e.scratch = rows + 4 * plan.n_pad;
    e.plain = plan.plain;
    e.first = tile == begin;
    ops.exponentials[head_row(config.kind)->negatives](e);
    for (std::int64_t i = 0; i < plan.n; ++i) {
      if (plan.vectors && e.rescale[i] != 1.0f) {
        for (std::int64_t k = 0; k < plan.d_pad; ++k) part.vectors[i * plan.d_pad + k] *= e.rescale[i];
      }
      part.sum[i] = part.sum[i] * static_cast<double>(e.rescale[i]) + static_cast<double>(e.sum[i]);
      if (plan.plain) {
        part.plain_sum[i] =
            part.plain_sum[i] * static_cast<double>(e.plain_rescale[i]) + static_cast<double>(e.plain_sum[i]);
      }
    }
    if (plan.vectors) {
      ops.add_vectors(scratch.c, classes.classes, plan.n, plan.n_pad, packed, plan.d_pad, part.vectors);
    }
  }
  return -1;
}

/// AdaFace's mean and deviation of lengths for this step; 0 for other heads.
void update_length_stats(const qcf_head_config& config, const qcf_head_args& args, const Plan& plan) {
  plan.state->length_mean = plan.state->length_std = 0.0f;
  if (!head_row(config.kind)->has_length_stats) return;
  plan.state->length_mean = args.length_stats[0];
  plan.state->length_std = args.length_stats[1];
  if (config.training == 0 || plan.n == 0) return;
  const double count = static_cast<double>(plan.n);
  double mean = 0, square = 0;
  for (std::int64_t i = 0; i < plan.n; ++i) mean += AdafaceHead::clipped_length(plan.z[i]);
  mean /= count;
  for (std::int64_t i = 0; i < plan.n; ++i) {
    const double off = AdafaceHead::clipped_length(plan.z[i]) - mean;
    square += off * off;
  }
  double deviation = plan.n > 1 ? std::sqrt(square / (count - 1)) : 0;
  if (args.length_moments != nullptr) {
    mean = args.length_moments[0];
    deviation = args.length_moments[1];
  }
  plan.state->length_mean = moved_average(config.ada_momentum, mean, args.length_stats[0]);
  if (plan.n > 1 || args.length_moments != nullptr) {  // one length has no deviation
    plan.state->length_std = moved_average(config.ada_momentum, deviation, args.length_stats[1]);
  }
}

/// log of the sum over the parts, always in part order.
double log_sum(const Plan& plan, const double* sums, const float* shifts) {
  const std::int64_t stride = 2 * plan.n_pad;
  double highest = kNoSum;
  for (int p = 0; p < plan.parts; ++p) {
    if (sums[p * stride] > 0) highest = std::max(highest, static_cast<double>(shifts[p * stride]));
  }
  if (highest == kNoSum) return kNoSum;
  double sum = 0;
  for (int p = 0; p < plan.parts; ++p) {
    if (sums[p * stride] > 0)
      sum += sums[p * stride] * std::exp(static_cast<double>(shifts[p * stride]) - highest);
  }
  return highest + std::log(sum);
}

}  // namespace

qcf_status sums(qcf_context* context, const qcf_head_config& config, const qcf_head_args& args,
                const Plan& plan) {
  const HeadRow& head = *head_row(config.kind);
  plan.state->t = head.has_t ? *args.t : 0.0f;
  if (head.has_t && config.training != 0 && plan.n > 0) {
    double mean = 0;
    for (std::int64_t i = 0; i < plan.n; ++i) mean += plan.target[i];
    mean /= static_cast<double>(plan.n);
    if (args.target_mean != nullptr) mean = *args.target_mean;
    plan.state->t = moved_average(config.t_momentum, mean, *args.t);
  }
  update_length_stats(config, args, plan);
  const TargetParams target = make_target_params(config);
  for (std::int64_t i = 0; i < plan.n_pad; ++i) {
    const bool row = i < plan.n;
    plan.margin[i] = row ? static_cast<float>(head.target(target, plan.target_input(i)).margin) : 2.0f;
    plan.target_c[i] = row ? static_cast<float>(plan.target[i]) : 0.0f;
  }
  if (plan.n == 0) return QCF_OK;

  std::atomic<std::int64_t> bad{INT64_MAX};
  parallel_for_worker(plan.parts, plan.threads, [&](std::int64_t index, int worker) {
    const std::int64_t row = run_part(config, plan, static_cast<int>(index), worker);
    if (row < 0) return;
    std::int64_t seen = bad.load(std::memory_order_relaxed);
    while (row < seen && !bad.compare_exchange_weak(seen, row, std::memory_order_relaxed)) {
    }
  });
  if (bad.load() != INT64_MAX) {
    return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                bad.load(), plan.w_rows);
  }
  for (std::int64_t i = 0; i < plan.n; ++i) {
    plan.log_sums[i] = log_sum(plan, plan.part_sums + i, plan.part_shifts + i);
    plan.log_sums[plan.n + i] = plan.log_sums[i];
    if (plan.plain) {
      plan.log_sums[plan.n + i] =
          log_sum(plan, plan.part_sums + plan.n_pad + i, plan.part_shifts + plan.n_pad + i);
    }
    double higher = 0, hard = 0;
    for (int p = 0; p < plan.parts; ++p) {
      higher += plan.part_counts[p * 2 * plan.n_pad + i];
      hard += plan.part_counts[p * 2 * plan.n_pad + plan.n_pad + i];
    }
    plan.counts[i] = higher;
    plan.counts[plan.n + i] = hard;
  }
  return QCF_OK;
}

}  // namespace qcface::kernels
