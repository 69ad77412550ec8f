// The C entries: check, then the table of the context's device. Nothing here knows about classes or rows.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/backend.h"
#include "kernels/check.h"
#include "kernels/heads/table.h"

namespace qcface::kernels {

const HeadBackend* head_backend(qcf_device device) {
  if (device == QCF_DEVICE_CPU) return &kCpuBackend;
#if QCF_HAVE_CUDA
  if (device == QCF_DEVICE_CUDA) return &kCudaBackend;
#endif
  return nullptr;
}

namespace {

constexpr const char* kPlanNames[] = {"auto", "chunked", "mma", "wgmma"};

/// Checks a call and hands it to the table: then(backend, call).
template <class Then>
qcf_status with_call(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args,
                     const Then& then) {
  HeadCall call;
  const qcf_status status = read_call(context, config, args, &call);
  if (status != QCF_OK) return status;
  context->error[0] = '\0';
  return then(*head_backend(context->device), call);
}

qcf_status run_stages(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args,
                      Stage first, Stage last) {
  return with_call(context, config, args, [=](const HeadBackend& backend, const HeadCall& call) {
    return backend.run(call, first, last);
  });
}

}  // namespace
}  // namespace qcface::kernels

using namespace qcface::kernels;

extern "C" {

const char* qcf_version(void) { return QCF_VERSION; }

const char* qcf_status_name(qcf_status status) {
  switch (status) {
    case QCF_OK:
      return "ok";
    case QCF_INVALID_ARGUMENT:
      return "invalid argument";
    case QCF_LABEL_OUT_OF_RANGE:
      return "label out of range";
    case QCF_NOT_FINITE:
      return "not finite";
    case QCF_WORKSPACE_TOO_SMALL:
      return "workspace too small";
    case QCF_UNSUPPORTED:
      return "unsupported";
  }
  return "unknown status";
}

void qcf_context_init_sized(qcf_context* context, size_t size, qcf_device device) {
  std::memset(static_cast<void*>(context), 0, size);
  context->struct_size = static_cast<uint32_t>(size);
  context->device = device;
}

void qcf_head_config_init_sized(qcf_head_config* out, size_t size, qcf_head_kind kind) {
  qcf_head_config made{};
  qcf_head_config* const config = &made;
  config->struct_size = static_cast<uint32_t>(size);
  config->kind = kind;
  const HeadRow* row = head_row(kind);
  const Defaults defaults = row != nullptr ? row->defaults : QcfaceHead::kDefaults;
  config->rule = defaults.rule;
  config->phase = defaults.phase;
  config->training = 1;
  config->s = defaults.s;
  config->m = defaults.m;
  config->lambda = defaults.lambda;
  config->ua = 100;
  config->la = 1;
  config->eps = 1e-3;
  config->mv_a = 1.12;
  config->t_momentum = 0.01;
  config->s_min = 1e-4;
  config->mag_la = 10;
  config->mag_ua = 110;
  config->mag_lm = 0.45;
  config->mag_um = 0.8;
  config->ada_h = 0.333;
  config->ada_momentum = 0.01;
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), config, std::min(size, sizeof(*config)));
}

void qcf_head_args_init_sized(qcf_head_args* args, size_t size) {
  std::memset(static_cast<void*>(args), 0, size);
  args->struct_size = static_cast<uint32_t>(size);
}

qcf_status qcf_head_workspace_bytes(qcf_context* context, const qcf_head_config* config,
                                    const qcf_head_args* args, size_t* bytes) {
  return with_call(context, config, args, [=](const HeadBackend& backend, const HeadCall& call) {
    if (bytes == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "bytes is NULL");
    return backend.workspace_bytes(call, bytes);
  });
}

qcf_status qcf_head_exchange_view(qcf_context* context, const qcf_head_config* config,
                                  const qcf_head_args* args, qcf_head_exchange* exchange) {
  return with_call(context, config, args, [=](const HeadBackend& backend, const HeadCall& call) {
    if (exchange == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "exchange is NULL");
    return backend.exchange(call, exchange);
  });
}

qcf_status qcf_head_prepare(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  return run_stages(context, config, args, Stage::kPrepare, Stage::kPrepare);
}

qcf_status qcf_head_sums(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  return run_stages(context, config, args, Stage::kSums, Stage::kSums);
}

qcf_status qcf_head_finish(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  return run_stages(context, config, args, Stage::kFinish, Stage::kFinish);
}

qcf_status qcf_head_weights(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  return run_stages(context, config, args, Stage::kWeights, Stage::kWeights);
}

qcf_status qcf_head_step(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  return with_call(context, config, args, [](const HeadBackend& backend, const HeadCall& call) {
    const qcf_head_args& a = call.args;
    if (a.k_total != 0 && a.k_total != a.k_loc) {
      return fail(call.context, QCF_INVALID_ARGUMENT,
                  "k_loc = %lld of k_total = %lld classes: a whole step needs all; use the staged calls",
                  static_cast<long long>(a.k_loc), static_cast<long long>(a.k_total));
    }
    return backend.run(call, Stage::kPrepare, Stage::kWeights);
  });
}

qcf_status qcf_head_check(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  return with_call(context, config, args,
                   [](const HeadBackend& backend, const HeadCall& call) { return backend.check(call); });
}

qcf_status qcf_head_plan(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args,
                         qcf_plan* plan) {
  return with_call(context, config, args, [=](const HeadBackend& backend, const HeadCall& call) {
    if (plan == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "plan is NULL");
    return backend.plan(call, plan);
  });
}

qcf_status qcf_unit_rows(qcf_context* context, int64_t rows, int64_t d, const float* matrix, qcf_type type,
                         void* unit) {
  qcf_status status = check_context(context);
  if (status == QCF_OK) status = check_sizes(context, rows, d, 1);
  if (status != QCF_OK || rows == 0) return status;
  if (type < QCF_TYPE_F32 || type > QCF_TYPE_F16) {
    return fail(context, QCF_INVALID_ARGUMENT, "type = %d, expected f32, bf16 or f16", type);
  }
  status = check_pointer(context, matrix, "matrix", sizeof(float));
  if (status == QCF_OK) status = check_pointer(context, unit, "unit", type == QCF_TYPE_F32 ? 4 : 2);
  if (status != QCF_OK) return status;
  return head_backend(context->device)->unit_rows(context, rows, d, matrix, type, unit);
}

qcf_status qcf_cosines_workspace_bytes(qcf_context* context, int64_t n, int64_t d, int64_t k, size_t* bytes) {
  qcf_status status = check_context(context);
  if (status == QCF_OK) status = check_sizes(context, n, d, k);
  if (status == QCF_OK) status = check_pointer(context, bytes, "bytes", 1);
  return status != QCF_OK ? status
                          : head_backend(context->device)->cosines_workspace_bytes(context, n, d, k, bytes);
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
  return head_backend(context->device)->cosines(context, n, d, k, x, w, scale, out, workspace);
}

qcf_status qcf_cuda_open(qcf_context* context) {
  const qcf_status status = check_context(context);
  return status != QCF_OK ? status : head_backend(context->device)->open(context);
}

void qcf_cuda_close(qcf_context* context) {
  const HeadBackend* const backend = context != nullptr ? head_backend(context->device) : nullptr;
  if (backend != nullptr) backend->close(context);
}

const char* qcf_plan_name(qcf_plan plan) {
  const int index = static_cast<int>(plan);
  return index >= 0 && index < 4 ? kPlanNames[index] : nullptr;
}

int qcf_plan_from_name(const char* name, qcf_plan* plan) {
  for (int i = 0; i < 4; ++i) {
    if (name != nullptr && std::strcmp(name, kPlanNames[i]) == 0) {
      *plan = static_cast<qcf_plan>(i);
      return 1;
    }
  }
  return 0;
}

const char* qcf_type_name(qcf_type type) {
  constexpr const char* kNames[] = {"f32", "bf16", "f16"};
  const int index = static_cast<int>(type);
  return index >= 0 && index < 3 ? kNames[index] : nullptr;
}

void qcf_log_sum_exp(const double* parts, int64_t ranks, int64_t count, double* out) {
  for (int64_t i = 0; i < count; ++i) {
    double highest = kNoSum;
    for (int64_t r = 0; r < ranks; ++r) highest = std::max(highest, parts[r * count + i]);
    double sum = 0;
    for (int64_t r = 0; r < ranks; ++r) sum += std::exp(parts[r * count + i] - highest);
    out[i] = highest == kNoSum ? kNoSum : highest + std::log(sum);
  }
}

void qcf_magnitude_loss(const qcf_head_config* config, double z, double p, double* excess, double* slope,
                        double* zstar) {
  const auto value = guidance(make_guidance<double>(config->ua, config->la, config->eps), z, p);
  if (excess != nullptr) *excess = value.excess;
  if (slope != nullptr) *slope = value.slope;
  if (zstar != nullptr) *zstar = value.zstar;
}

}  // extern "C"
