// Stage 1: labels checked and sorted, lengths, unit rows in the two panel layouts, target cosines. Work O(N D + N log N).
// The target cosine and S = |wh_y - c xh| are taken in double from the fp32 inputs: N x D work, and both the margin's
// slope and the choice of hard negatives hang on them.
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
      const double inv = 1.0 / std::max(norm, kLengthFloor);
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
      const double inv = 1.0 / std::max(z[i], kLengthFloor);
      for (std::int64_t k = 0; k < d; ++k)
        column[k * panel] = static_cast<float>(static_cast<double>(row[k]) * inv);
      if (xp == nullptr) continue;
      for (std::int64_t k = 0; k < d_pad; ++k) {
        xp[k / panel * panel * n + i * panel + k % panel] = k < d ? column[k * panel] : 0.0f;
      }
    }
  });
}

qcf_status prepare(qcf_context* context, const qcf_head_args& args, const Plan& plan) {
  plan.state->magic = 0;
  for (std::int64_t i = 0; i < plan.n; ++i) {
    const std::int64_t label = label_at(args, i);
    if (label == -1 && plan.w_rows < plan.k_total) continue;  // another rank's
    if (label < 0 || label >= plan.k_total) {
      return fail(context, QCF_LABEL_OUT_OF_RANGE,
                  "labels[%" PRId64 "] = %" PRId64 ", expected 0 <= label < %" PRId64, i, label,
                  plan.k_total);
    }
  }
  for (std::int64_t i = 0; plan.sampled != nullptr && i < plan.classes; ++i) {
    const std::int64_t least = i == 0 ? 0 : plan.sampled[i - 1] + 1;
    if (plan.sampled[i] < least || plan.sampled[i] >= plan.w_rows) {
      return fail(context, QCF_INVALID_ARGUMENT,
                  "sampled[%" PRId64 "] = %" PRId64 ", expected ascending rows of w below %" PRId64, i,
                  plan.sampled[i], plan.w_rows);
    }
  }
  if (args.x_type != QCF_TYPE_F32) widen(plan.threads, args.x, args.x_type, plan.n * plan.d, plan.wide_x);
  const std::int64_t bad_x = row_lengths(plan.threads, plan.x, plan.n, plan.d, plan.z);
  if (bad_x >= 0) {
    return fail(context, QCF_NOT_FINITE, "x: row %" PRId64 " of %" PRId64 " holds NaN or infinity", bad_x,
                plan.n);
  }
  std::int64_t local = 0;
  for (std::int64_t i = 0; i < plan.n; ++i) {
    const std::int64_t row = label_at(args, i) - plan.offset;
    if (row >= 0 && row < plan.w_rows) {
      std::int64_t klass = row;
      if (plan.sampled != nullptr) {
        klass = std::lower_bound(plan.sampled, plan.sampled + plan.classes, row) - plan.sampled;
        if (klass == plan.classes || plan.sampled[klass] != row) {
          return fail(context, QCF_LABEL_OUT_OF_RANGE,
                      "labels[%" PRId64 "] = %" PRId64 ": its row %" PRId64 " of w is not in `sampled`", i,
                      label_at(args, i), row);
        }
      }
      plan.labels[local++] = {klass, i};
    }
    plan.target[i] = plan.target[plan.n + i] = 0;
  }
  std::sort(plan.labels, plan.labels + local, [](const LocalLabel& a, const LocalLabel& b) {
    return a.klass != b.klass ? a.klass < b.klass : a.row < b.row;
  });
  pack_rows(*plan.ops, plan.threads, plan.x, plan.z, plan.n, plan.d, plan.n_pad, plan.d_pad, plan.xt,
            plan.xp);

  std::atomic<std::int64_t> bad_w{kNone};
  parallel_for_range(local, 16, plan.threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t l = begin; l < end; ++l) {
      const LocalLabel& label = plan.labels[l];
      const std::int64_t w_row = plan.w_row(label.klass);
      const float* w = plan.w + w_row * plan.d;
      const float* x = plan.x + label.row * plan.d;
      const double norm = length(w, plan.d);
      if (!std::isfinite(norm)) {
        keep_least(bad_w, w_row);
        continue;
      }
      const double inv_w = 1.0 / std::max(norm, kLengthFloor);
      const double inv_x = 1.0 / std::max(plan.z[label.row], kLengthFloor);
      double c = 0;
      for (std::int64_t k = 0; k < plan.d; ++k) c += static_cast<double>(x[k]) * static_cast<double>(w[k]);
      c = std::clamp(c * inv_w * inv_x, -1.0, 1.0);
      double square = 0;
      for (std::int64_t k = 0; k < plan.d; ++k) {
        const double across = static_cast<double>(w[k]) * inv_w - c * (static_cast<double>(x[k]) * inv_x);
        square += across * across;
      }
      plan.target[label.row] = c;
      plan.target[plan.n + label.row] = std::sqrt(square);
    }
  });
  if (bad_w.load() != kNone) {
    return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                bad_w.load(), plan.w_rows);
  }
  plan.state->local_labels = local;
  return QCF_OK;
}

}  // namespace qcface::kernels
