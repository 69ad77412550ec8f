// Plain cosines without labels: the first product of a head alone. Writes 4 N K bytes.
#include <algorithm>
#include <atomic>
#include <cinttypes>

#include "kernels/check.h"
#include "kernels/cpu/layout.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

Layout cosines_layout(const qcf_context& context, std::int64_t n, std::int64_t d, std::int64_t k,
                      void* workspace) {
  qcf_head_config config;
  qcf_head_config_init(&config, QCF_HEAD_QCFACE);
  qcf_head_args args;
  qcf_head_args_init(&args);
  args.n = n;
  args.d = d;
  args.k_loc = k;
  return make_layout(context, config, args, workspace);
}

}  // namespace

qcf_status cosines_workspace_bytes(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k,
                                   std::size_t* bytes) {
  *bytes = cosines_layout(*context, n, d, k, nullptr).bytes;
  return QCF_OK;
}

qcf_status cosines(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k, const float* x,
                   const float* w, double scale, float* out, void* workspace) {
  const Layout layout = cosines_layout(*context, n, d, k, workspace);
  const std::int64_t bad_x = row_lengths(layout.threads, x, n, d, layout.z);
  if (bad_x >= 0) {
    return fail(context, QCF_NOT_FINITE, "x: row %" PRId64 " of %" PRId64 " holds NaN or infinity", bad_x, n);
  }
  pack_rows(*layout.ops, layout.threads, x, layout.z, n, d, layout.n_pad, layout.d_pad, layout.xt, nullptr);
  std::atomic<std::int64_t> bad{INT64_MAX};
  qcface::parallel_for_worker(layout.tiles, layout.threads, [&](std::int64_t tile, int worker) {
    const Scratch scratch = split_scratch(layout, worker);
    const std::int64_t first = tile * kTileClasses;
    const ClassTile classes{w + first * d, static_cast<int>(std::min<std::int64_t>(kTileClasses, k - first)),
                            d};
    const int row = layout.ops->load(classes, layout.d_pad, nullptr, scratch.inv_norm, scratch.grad_scale);
    if (row >= 0) {
      std::int64_t seen = bad.load(std::memory_order_relaxed);
      while (first + row < seen && !bad.compare_exchange_weak(seen, first + row, std::memory_order_relaxed)) {
      }
      return;
    }
    layout.ops->cosines(classes.w, d, layout.ops->panel, classes.classes, d, layout.xt, n, layout.n_pad,
                        scratch.inv_norm, scratch.c);
    for (std::int64_t i = 0; i < n; ++i) {
      for (int j = 0; j < classes.classes; ++j) {
        out[i * k + first + j] = static_cast<float>(scale) * scratch.c[j * layout.n_pad + i];
      }
    }
  });
  if (bad.load() != INT64_MAX) {
    return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                bad.load(), k);
  }
  return QCF_OK;
}

}  // namespace qcface::kernels
