// Stage 3: everything that is a matter of one row. Losses, row values, t, dx and the factors of the second pass. In
// double throughout: N x D work. Reads the partial vectors of stage 2 (4 parts N D bytes).
#include <algorithm>
#include <cmath>

#include "kernels/cpu/layout.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

/// One row of dx. The combined vector is made in chunks on the stack, twice if it does not fit in one.
void gradient_row(const qcf_head_args& args, const Layout& layout, const RowValues& row, std::int64_t i,
                  std::int64_t klass) {
  constexpr std::int64_t kChunk = 512;
  double vector[kChunk];
  const std::int64_t d = layout.d;
  const float* x = layout.x + i * d;

  double part_scale[kMaxParts];
  for (int p = 0; p < layout.parts; ++p) {
    const std::int64_t at = p * 2 * layout.n_pad + i;
    part_scale[p] = layout.part_sums[at] > 0
                        ? std::exp(static_cast<double>(layout.part_shifts[at]) - layout.log_sums[i])
                        : 0.0;
  }
  const auto gather = [&](std::int64_t k0, std::int64_t count) {
    std::fill_n(vector, count, 0.0);
    for (int p = 0; p < layout.parts; ++p) {
      const float* v = layout.part_vectors + (p * layout.n + i) * layout.d_pad + k0;
      for (std::int64_t k = 0; k < count; ++k) vector[k] += part_scale[p] * static_cast<double>(v[k]);
    }
  };
  double along = 0;  // (weighted class vector) . xh
  if (layout.vectors) {
    for (std::int64_t k0 = 0; k0 < d; k0 += kChunk) {
      const std::int64_t count = std::min(kChunk, d - k0);
      gather(k0, count);
      for (std::int64_t k = 0; k < count; ++k)
        along += vector[k] * (static_cast<double>(x[k0 + k]) * row.inv_z);
    }
  }
  const float* w = klass >= 0 ? layout.w + layout.w_row(klass) * d : nullptr;
  double inv_w = 0;
  if (w != nullptr) {
    double square = 0;
    for (std::int64_t k = 0; k < d; ++k) square += static_cast<double>(w[k]) * static_cast<double>(w[k]);
    inv_w = inverse_length(std::sqrt(square));
  }
  const DxOutputs out = dx_outputs(args);
  double tangent = 0;
  for (std::int64_t k0 = 0; k0 < d; k0 += kChunk) {
    const std::int64_t count = std::min(kChunk, d - k0);
    if (layout.vectors && d > kChunk) gather(k0, count);  // one chunk is still there
    for (std::int64_t k = 0; k < count; ++k) {
      const double xh = static_cast<double>(x[k0 + k]) * row.inv_z;
      double direction = 0;
      if (layout.vectors) {
        direction = dx_across(row, vector[k], along, xh, w != nullptr ? w + k0 + k : nullptr, inv_w,
                              layout.target[i]);
        tangent += direction * direction;
      }
      out.write(i * d + k0 + k, direction, row.dz * xh);
    }
  }
  RowOutputs::put(args.row_tangent, i, std::sqrt(tangent));
}

}  // namespace

qcf_status finish(const qcf_head_config& config, const qcf_head_args& args, const Layout& layout) {
  const HeadRow& head = *head_row(config.kind);
  const RowParams params = make_row_params(config, layout.batch);
  const RowOutputs out = row_outputs(args);
  const auto values = [&](std::int64_t i) {
    return head.row(params, layout.target_input(i), layout.log_sums[i], layout.log_sums[layout.n + i]);
  };
  double nll = 0, excess = 0;
  for (std::int64_t i = 0; i < layout.n; ++i) {
    const RowValues r = values(i);
    nll += r.nll;
    excess += r.guide.excess;
    layout.one_minus_q[i] = r.one_minus_q;
    layout.slope[i] = r.target.slope;
    layout.shift[i] = r.log_shift;
    layout.factor[i] = r.weight_factor;
    out.write(i, layout.z[i], r, layout.counts[i], layout.counts[layout.n + i]);
  }
  for (std::int64_t i = layout.n; i < layout.n_pad; ++i) layout.shift[i] = layout.factor[i] = 0.0f;
  if (args.losses != nullptr) batch_losses(params, nll, excess, args.losses);
  if (config.training != 0 && layout.n > 0) {
    if (head.has_t) *args.t = layout.state->t;
    if (head.has_length_stats) {
      args.length_stats[0] = layout.state->length_mean;
      args.length_stats[1] = layout.state->length_std;
    }
  }

  if (!layout.vectors && args.dx_magnitude == nullptr) return QCF_OK;
  const auto gradient = [&](std::int64_t i, std::int64_t klass) {
    gradient_row(args, layout, values(i), i, klass);
  };
  const std::int64_t local = layout.state->local_labels;
  parallel_for_range(local, 4, layout.threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t l = begin; l < end; ++l) gradient(layout.labels[l].row, layout.labels[l].klass);
  });
  if (local == layout.n) return QCF_OK;
  // Rows whose class another rank holds: those that the sorted list does not name.
  parallel_for_range(layout.n, 4, layout.threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t label = args.label_type == QCF_LABEL_I64
                                     ? static_cast<const std::int64_t*>(args.labels)[i]
                                     : static_cast<const std::int32_t*>(args.labels)[i];
      if (label < layout.offset || label >= layout.offset + layout.w_rows) gradient(i, -1);
    }
  });
  return QCF_OK;
}

}  // namespace qcface::kernels
