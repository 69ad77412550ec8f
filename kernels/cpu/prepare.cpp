// Stage 1: labels checked and sorted, lengths, unit rows in the two panel layouts, target cosines. Work O(N D + N log N).
// The target cosine and S = |wh_y - c xh| are taken in double from the fp32 inputs: N x D work, and both the margin's
// slope and the choice of hard negatives hang on them.
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

constexpr std::int64_t kNone = INT64_MAX;

void keep_least(std::atomic<std::int64_t>& least, std::int64_t value) {
  std::int64_t seen = least.load(std::memory_order_relaxed);
  while (value < seen && !least.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

std::int64_t label_at(const qcf_head_args& args, std::int64_t row) {
  return args.label_type == QCF_LABEL_I64 ? static_cast<const std::int64_t*>(args.labels)[row]
                                          : static_cast<const std::int32_t*>(args.labels)[row];
}

double length(const float* v, std::int64_t d) {
  double sum = 0;
  for (std::int64_t k = 0; k < d; ++k) sum += static_cast<double>(v[k]) * static_cast<double>(v[k]);
  return std::sqrt(sum);
}

}  // namespace

std::int64_t row_lengths(int threads, const float* x, std::int64_t n, std::int64_t d, double* z) {
  std::atomic<std::int64_t> bad{kNone};
  parallel_for_range(n, 16, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      z[i] = length(x + i * d, d);  // squares of floats cannot overflow a double
      if (!std::isfinite(z[i])) keep_least(bad, i);
    }
  });
  return bad.load() == kNone ? -1 : bad.load();
}

void widen(int threads, const void* values, qcf_type type, std::int64_t count, float* wide) {
  const auto* const bits = static_cast<const std::uint16_t*>(values);
  parallel_for_range(count, 4096, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::uint32_t out = static_cast<std::uint32_t>(bits[i]) << 16;
      if (type == QCF_TYPE_F16) {
        const std::uint32_t sign = (bits[i] & 0x8000u) << 16, magnitude = bits[i] & 0x7FFFu;
        if (magnitude >= 0x7C00u) {  // infinity, NaN
          out = sign | 0x7F800000u | (magnitude & 0x3FFu) << 13;
        } else if (magnitude >= 0x400u) {
          out = sign | (magnitude + (112u << 10)) << 13;
        } else {  // subnormal: a multiple of 2^-24
          const float value = static_cast<float>(magnitude) * 0x1p-24f;
          std::memcpy(&out, &value, sizeof out);
          out |= sign;
        }
      }
      std::memcpy(&wide[i], &out, sizeof out);
    }
  });
}

qcf_status unit_rows(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                     float* unit) {
  std::atomic<std::int64_t> bad{kNone};
  parallel_for_range(rows, 16, resolve_threads(context->threads), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double norm = length(matrix + i * d, d);
      if (!std::isfinite(norm)) keep_least(bad, i);
      const double inv = inverse_length(norm);
      for (std::int64_t k = i * d; k < (i + 1) * d; ++k) {
        unit[k] = static_cast<float>(static_cast<double>(matrix[k]) * inv);
      }
    }
  });
  if (bad.load() == kNone) return QCF_OK;
  return fail(context, QCF_NOT_FINITE, "matrix: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
              bad.load(), rows);
}

void pack_rows(const TileOps& ops, int threads, const float* x, const double* z, std::int64_t n,
               std::int64_t d, std::int64_t n_pad, std::int64_t d_pad, float* xt, float* xp) {
  const std::int64_t panel = ops.panel;
  parallel_for_range(n_pad, 16, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float* column = xt + i / panel * panel * d + i % panel;
      if (i >= n) {
        for (std::int64_t k = 0; k < d; ++k) column[k * panel] = 0.0f;
        continue;
      }
      const float* row = x + i * d;
      const double inv = inverse_length(z[i]);
      for (std::int64_t k = 0; k < d; ++k)
        column[k * panel] = static_cast<float>(static_cast<double>(row[k]) * inv);
      if (xp == nullptr) continue;
      for (std::int64_t k = 0; k < d_pad; ++k) {
        xp[k / panel * panel * n + i * panel + k % panel] = k < d ? column[k * panel] : 0.0f;
      }
    }
  });
}

qcf_status prepare(qcf_context* context, const qcf_head_args& args, const Layout& layout) {
  layout.state->magic = 0;
  for (std::int64_t i = 0; i < layout.n; ++i) {
    const std::int64_t label = label_at(args, i);
    if (label == -1 && layout.w_rows < layout.k_total) continue;  // another rank's
    if (label < 0 || label >= layout.k_total) {
      return fail(context, QCF_LABEL_OUT_OF_RANGE,
                  "labels[%" PRId64 "] = %" PRId64 ", expected 0 <= label < %" PRId64, i, label,
                  layout.k_total);
    }
  }
  for (std::int64_t i = 0; layout.sampled != nullptr && i < layout.classes; ++i) {
    const std::int64_t least = i == 0 ? 0 : layout.sampled[i - 1] + 1;
    if (layout.sampled[i] < least || layout.sampled[i] >= layout.w_rows) {
      return fail(context, QCF_INVALID_ARGUMENT,
                  "sampled[%" PRId64 "] = %" PRId64 ", expected ascending rows of w below %" PRId64, i,
                  layout.sampled[i], layout.w_rows);
    }
  }
  if (args.x_type != QCF_TYPE_F32)
    widen(layout.threads, args.x, args.x_type, layout.n * layout.d, layout.wide_x);
  const std::int64_t bad_x = row_lengths(layout.threads, layout.x, layout.n, layout.d, layout.z);
  if (bad_x >= 0) {
    return fail(context, QCF_NOT_FINITE, "x: row %" PRId64 " of %" PRId64 " holds NaN or infinity", bad_x,
                layout.n);
  }
  std::int64_t local = 0;
  for (std::int64_t i = 0; i < layout.n; ++i) {
    const std::int64_t row = label_at(args, i) - layout.offset;
    if (row >= 0 && row < layout.w_rows) {
      std::int64_t klass = row;
      if (layout.sampled != nullptr) {
        klass = std::lower_bound(layout.sampled, layout.sampled + layout.classes, row) - layout.sampled;
        if (klass == layout.classes || layout.sampled[klass] != row) {
          return fail(context, QCF_LABEL_OUT_OF_RANGE,
                      "labels[%" PRId64 "] = %" PRId64 ": its row %" PRId64 " of w is not in `sampled`", i,
                      label_at(args, i), row);
        }
      }
      layout.labels[local++] = {klass, i};
    }
    layout.target[i] = layout.target[layout.n + i] = 0;
  }
  std::sort(layout.labels, layout.labels + local, [](const SortedLabel& a, const SortedLabel& b) {
    return a.klass != b.klass ? a.klass < b.klass : a.row < b.row;
  });
  pack_rows(*layout.ops, layout.threads, layout.x, layout.z, layout.n, layout.d, layout.n_pad, layout.d_pad,
            layout.xt, layout.xp);

  std::atomic<std::int64_t> bad_w{kNone};
  parallel_for_range(local, 16, layout.threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t l = begin; l < end; ++l) {
      const SortedLabel& label = layout.labels[l];
      const std::int64_t w_row = layout.w_row(label.klass);
      const float* w = layout.w + w_row * layout.d;
      const float* x = layout.x + label.row * layout.d;
      const double norm = length(w, layout.d);
      if (!std::isfinite(norm)) {
        keep_least(bad_w, w_row);
        continue;
      }
      const double inv_w = inverse_length(norm);
      const double inv_x = inverse_length(layout.z[label.row]);
      double c = 0;
      for (std::int64_t k = 0; k < layout.d; ++k) c += static_cast<double>(x[k]) * static_cast<double>(w[k]);
      c = unit_cosine(c, inv_w, inv_x);
      double square = 0;
      for (std::int64_t k = 0; k < layout.d; ++k) {
        const double part = across(static_cast<double>(w[k]) * inv_w, c, static_cast<double>(x[k]) * inv_x);
        square += part * part;
      }
      layout.target[label.row] = c;
      layout.target[layout.n + label.row] = std::sqrt(square);
    }
  });
  if (bad_w.load() != kNone) {
    return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                bad_w.load(), layout.w_rows);
  }
  layout.state->local_labels = local;
  return QCF_OK;
}

}  // namespace qcface::kernels
