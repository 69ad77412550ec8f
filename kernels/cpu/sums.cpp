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
#include "kernels/cpu/layout.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

struct Part {
  float* vectors;
  double *sum, *plain_sum;
  float *shift, *plain_shift;
  std::int32_t *higher, *hard;
};

Part part_of(const Layout& layout, int index) {
  const std::int64_t at = index * 2 * layout.n_pad;
  return {layout.part_vectors + (layout.vectors ? index * layout.n * layout.d_pad : 0),
          layout.part_sums + at,
          layout.part_sums + at + layout.n_pad,
          layout.part_shifts + at,
          layout.part_shifts + at + layout.n_pad,
          layout.part_counts + at,
          layout.part_counts + at + layout.n_pad};
}

/// Returns the first class row with NaN or infinity, or -1.
std::int64_t run_part(const qcf_head_config& config, const Layout& layout, int index, int worker) {
  const TileOps& ops = *layout.ops;
  const Scratch scratch = split_scratch(layout, worker);
  const Part part = part_of(layout, index);
  std::fill_n(part.sum, 2 * layout.n_pad, 0.0);
  std::fill_n(part.shift, 2 * layout.n_pad, 0.0f);
  std::fill_n(part.higher, 2 * layout.n_pad, 0);
  if (layout.vectors) std::fill_n(part.vectors, layout.n * layout.d_pad, 0.0f);
  const SortedLabel* label = layout.labels;
  const SortedLabel* const labels_end = layout.labels + layout.state->local_labels;
  const std::int64_t begin = layout.first_tile(index);
  const std::int64_t end = layout.first_tile(index + 1);
  label = std::lower_bound(label, labels_end, begin * kTileClasses,
                           [](const SortedLabel& l, std::int64_t klass) { return l.klass < klass; });
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const std::int64_t first = tile * kTileClasses;
    const ClassTile classes = class_tile(layout, scratch, tile);
    float* const packed = layout.vectors ? scratch.packed : nullptr;
    const int bad = ops.load(classes, layout.d_pad, packed, scratch.inv_norm, scratch.grad_scale);
    if (bad >= 0) return layout.w_row(first + bad);
    const float* const a = packed != nullptr ? packed : classes.w;
    const std::int64_t row_stride = packed != nullptr ? ops.panel : layout.d;
    const std::int64_t block_stride = packed != nullptr ? std::int64_t{kTileClasses} * ops.panel : ops.panel;
    ops.cosines(a, row_stride, block_stride, classes.classes, layout.d, layout.xt, layout.n, layout.n_pad,
                scratch.inv_norm, scratch.c);
    for (; label != labels_end && label->klass < first + classes.classes; ++label) {
      scratch.c[(label->klass - first) * layout.n_pad + label->row] = kExcluded;
    }
    float* const rows = scratch.rows;
    ExpTile e{};
    e.c = scratch.c;
    e.classes = classes.classes;
    e.n_pad = layout.n_pad;
    e.inv_norm = scratch.inv_norm;
    e.s = static_cast<float>(config.s);
    e.negative = {layout.state->t, static_cast<float>(config.mv_a)};
    e.margin = layout.margin;
    e.target_c = layout.target_c;
    e.shift = part.shift;
    e.plain_shift = part.plain_shift;
    e.sum = rows;
    e.plain_sum = rows + layout.n_pad;
    e.rescale = rows + 2 * layout.n_pad;
    e.plain_rescale = rows + 3 * layout.n_pad;
    e.higher = part.higher;
    e.hard = part.hard;
    e.scratch = rows + 4 * layout.n_pad;
    e.plain = layout.plain;
    e.first = tile == begin;
    ops.exponentials[head_row(config.kind)->negatives](e);
    for (std::int64_t i = 0; i < layout.n; ++i) {
      if (layout.vectors && e.rescale[i] != 1.0f) {
        for (std::int64_t k = 0; k < layout.d_pad; ++k) part.vectors[i * layout.d_pad + k] *= e.rescale[i];
      }
      part.sum[i] = part.sum[i] * static_cast<double>(e.rescale[i]) + static_cast<double>(e.sum[i]);
      if (layout.plain) {
        part.plain_sum[i] =
            part.plain_sum[i] * static_cast<double>(e.plain_rescale[i]) + static_cast<double>(e.plain_sum[i]);
      }
    }
    if (layout.vectors) {
      ops.add_vectors(scratch.c, classes.classes, layout.n, layout.n_pad, packed, layout.d_pad, part.vectors);
    }
  }
  return -1;
}

/// AdaFace's mean and deviation of lengths for this step; 0 for other heads.
void update_length_stats(const qcf_head_config& config, const qcf_head_args& args, const Layout& layout) {
  layout.state->length_mean = layout.state->length_std = 0.0f;
  if (!head_row(config.kind)->has_length_stats) return;
  layout.state->length_mean = args.length_stats[0];
  layout.state->length_std = args.length_stats[1];
  if (config.training == 0 || layout.n == 0) return;
  const double count = static_cast<double>(layout.n);
  double mean = 0, square = 0;
  for (std::int64_t i = 0; i < layout.n; ++i) mean += AdafaceHead::clipped_length(layout.z[i]);
  mean /= count;
  for (std::int64_t i = 0; i < layout.n; ++i) {
    const double off = AdafaceHead::clipped_length(layout.z[i]) - mean;
    square += off * off;
  }
  double deviation = layout.n > 1 ? std::sqrt(square / (count - 1)) : 0;
  if (args.length_moments != nullptr) {
    mean = args.length_moments[0];
    deviation = args.length_moments[1];
  }
  layout.state->length_mean = moved_average(config.ada_momentum, mean, args.length_stats[0]);
  if (layout.n > 1 || args.length_moments != nullptr) {  // one length has no deviation
    layout.state->length_std = moved_average(config.ada_momentum, deviation, args.length_stats[1]);
  }
}

/// log of the sum over the parts, always in part order.
double log_sum(const Layout& layout, const double* sums, const float* shifts) {
  const std::int64_t stride = 2 * layout.n_pad;
  double highest = kNoSum;
  for (int p = 0; p < layout.parts; ++p) {
    if (sums[p * stride] > 0) highest = std::max(highest, static_cast<double>(shifts[p * stride]));
  }
  if (highest == kNoSum) return kNoSum;
  double sum = 0;
  for (int p = 0; p < layout.parts; ++p) {
    if (sums[p * stride] > 0)
      sum += sums[p * stride] * std::exp(static_cast<double>(shifts[p * stride]) - highest);
  }
  return highest + std::log(sum);
}

}  // namespace

qcf_status sums(qcf_context* context, const qcf_head_config& config, const qcf_head_args& args,
                const Layout& layout) {
  const HeadRow& head = *head_row(config.kind);
  layout.state->t = head.has_t ? *args.t : 0.0f;
  if (head.has_t && config.training != 0 && layout.n > 0) {
    double mean = 0;
    for (std::int64_t i = 0; i < layout.n; ++i) mean += layout.target[i];
    mean /= static_cast<double>(layout.n);
    if (args.target_mean != nullptr) mean = *args.target_mean;
    layout.state->t = moved_average(config.t_momentum, mean, *args.t);
  }
  update_length_stats(config, args, layout);
  const TargetParams target = make_target_params(config);
  for (std::int64_t i = 0; i < layout.n_pad; ++i) {
    const bool row = i < layout.n;
    layout.margin[i] = row ? static_cast<float>(head.target(target, layout.target_input(i)).margin) : 2.0f;
    layout.target_c[i] = row ? static_cast<float>(layout.target[i]) : 0.0f;
  }
  if (layout.n == 0) return QCF_OK;

  std::atomic<std::int64_t> bad{INT64_MAX};
  parallel_for_worker(layout.parts, layout.threads, [&](std::int64_t index, int worker) {
    const std::int64_t row = run_part(config, layout, static_cast<int>(index), worker);
    if (row < 0) return;
    std::int64_t seen = bad.load(std::memory_order_relaxed);
    while (row < seen && !bad.compare_exchange_weak(seen, row, std::memory_order_relaxed)) {
    }
  });
  if (bad.load() != INT64_MAX) {
    return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                bad.load(), layout.w_rows);
  }
  for (std::int64_t i = 0; i < layout.n; ++i) {
    layout.log_sums[i] = log_sum(layout, layout.part_sums + i, layout.part_shifts + i);
    layout.log_sums[layout.n + i] = layout.log_sums[i];
    if (layout.plain) {
      layout.log_sums[layout.n + i] =
          log_sum(layout, layout.part_sums + layout.n_pad + i, layout.part_shifts + layout.n_pad + i);
    }
    double higher = 0, hard = 0;
    for (int p = 0; p < layout.parts; ++p) {
      higher += layout.part_counts[p * 2 * layout.n_pad + i];
      hard += layout.part_counts[p * 2 * layout.n_pad + layout.n_pad + i];
    }
    layout.counts[i] = higher;
    layout.counts[layout.n + i] = hard;
  }
  return QCF_OK;
}

}  // namespace qcface::kernels
