// Plain cosines without labels: the first product of a head alone. Writes 4 N K bytes.
#include <algorithm>
#include <atomic>
#include <cinttypes>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"
#include "kernels/cuda/head.h"
#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

qcf_head_args cosine_args(std::int64_t n, std::int64_t d, std::int64_t k) {
  qcf_head_args args;
  qcf_head_args_init(&args);
  args.n = n;
  args.d = d;
  args.k_loc = k;
  return args;
}

Plan cosine_plan(const qcf_context& context, std::int64_t n, std::int64_t d, std::int64_t k,
                 void* workspace) {
  qcf_head_config config;
  qcf_head_config_init(&config, QCF_HEAD_QCFACE);
  return make_plan(context, config, cosine_args(n, d, k), workspace);
}

}  // namespace
}  // namespace qcface::kernels

using namespace qcface::kernels;

extern "C" {

qcf_status qcf_cosines_workspace_bytes(qcf_context* context, int64_t n, int64_t d, int64_t k, size_t* bytes) {
  qcf_status status = check_context(context);
  if (status == QCF_OK) status = check_sizes(context, n, d, k);
  if (status == QCF_OK) status = check_pointer(context, bytes, "bytes", 1);
  if (status != QCF_OK) return status;
#if QCF_HAVE_CUDA
  if (context->device == QCF_DEVICE_CUDA) {
    *bytes = cuda::cosines_workspace_bytes(*context, n, d, k);
    return QCF_OK;
  }
#endif
  *bytes = cosine_plan(*context, n, d, k, nullptr).bytes;
  return QCF_OK;
}

qcf_status qcf_cosines(qcf_context* context, int64_t n, int64_t d, int64_t k, const float* x, const float* w,
                       double scale, float* out, void* workspace, size_t workspace_bytes) {
  size_t needed = 0;
  qcf_status status = qcf_cosines_workspace_bytes(context, n, d, k, &needed);
  if (status != QCF_OK || n == 0) return status;
  const struct {
    const char* name;
    const void* pointer;
    size_t alignment;
  } pointers[] = {{"x", x, 4}, {"w", w, 4}, {"out", out, 4}, {"workspace", workspace, 64}};
  for (const auto& p : pointers) {
    status = check_pointer(context, p.pointer, p.name, p.alignment);
    if (status != QCF_OK) return status;
  }
  if (workspace_bytes < needed) {
    return fail(context, QCF_WORKSPACE_TOO_SMALL, "workspace_bytes = %zu, expected at least %zu",
                workspace_bytes, needed);
  }
#if QCF_HAVE_CUDA
  if (context->device == QCF_DEVICE_CUDA) return cuda::cosines(context, n, d, k, x, w, scale, out, workspace);
#endif
  const Plan plan = cosine_plan(*context, n, d, k, workspace);
  const std::int64_t bad_x = row_lengths(plan.threads, x, n, d, plan.z);
  if (bad_x >= 0) {
    return fail(context, QCF_NOT_FINITE, "x: row %" PRId64 " of %" PRId64 " holds NaN or infinity", bad_x, n);
  }
  pack_rows(*plan.ops, plan.threads, x, plan.z, n, d, plan.n_pad, plan.d_pad, plan.xt, nullptr);
  std::atomic<std::int64_t> bad{INT64_MAX};
  qcface::parallel_for_worker(plan.tiles, plan.threads, [&](std::int64_t tile, int worker) {
    const Scratch scratch = split_scratch(plan, worker);
    const std::int64_t first = tile * kTileClasses;
    const ClassTile classes{w + first * d, static_cast<int>(std::min<std::int64_t>(kTileClasses, k - first)),
                            d};
    const int row = plan.ops->load(classes, plan.d_pad, nullptr, scratch.inv_norm, scratch.grad_scale);
    if (row >= 0) {
      std::int64_t seen = bad.load(std::memory_order_relaxed);
      while (first + row < seen && !bad.compare_exchange_weak(seen, first + row, std::memory_order_relaxed)) {
      }
      return;
    }
    plan.ops->cosines(classes.w, d, plan.ops->panel, classes.classes, d, plan.xt, n, plan.n_pad,
                      scratch.inv_norm, scratch.c);
    for (std::int64_t i = 0; i < n; ++i) {
      for (int j = 0; j < classes.classes; ++j) {
        out[i * k + first + j] = static_cast<float>(scale) * scratch.c[j * plan.n_pad + i];
      }
    }
  });
  if (bad.load() != INT64_MAX) {
    return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                bad.load(), k);
  }
  return QCF_OK;
}

}  // extern "C"
