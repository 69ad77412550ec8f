// The C entries: check, plan, run a stage. Nothing here knows about classes or rows.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"
#include "kernels/cuda/head.h"
#include "kernels/heads/table.h"

namespace qcface::kernels {
namespace {

constexpr std::uint64_t kMagic = 0x71636661636b6572u;
constexpr const char* kPlanNames[] = {"auto", "chunked", "mma", "wgmma"};
constexpr const char* kStageNames[] = {"nothing", "prepare", "sums", "finish"};

/// Checks, makes the plan and requires that `before` was the last stage run on this workspace.
qcf_status begin(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args, Stage before,
                 Plan* plan) {
  qcf_status status = check_common(context, config, args);
  if (status != QCF_OK) return status;
  context->error[0] = '\0';
  status = check_pointers(context, config, args, make_plan(*context, *config, *args, nullptr).bytes);
  if (status != QCF_OK) return status;
  *plan = make_plan(*context, *config, *args, args->workspace);
  if (before == Stage::kNone) return QCF_OK;
  const Stage found = plan->state->magic == kMagic ? plan->state->stage : Stage::kNone;
  if (found < before) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "workspace: this stage follows %s, but the last one run on it was %s",
                kStageNames[static_cast<int>(before)], kStageNames[static_cast<int>(found)]);
  }
  return QCF_OK;
}

/// Checks the arguments of a CUDA call. The order of the stages is the caller's business there: the state is in device
/// memory, which no stage may wait for.
[[maybe_unused]] qcf_status begin_cuda(qcf_context* context, const qcf_head_config* config,
                                       const qcf_head_args* args) {
#if QCF_HAVE_CUDA
  std::size_t bytes = 0;
  qcf_status status = check_common(context, config, args);
  if (status != QCF_OK) return status;
  context->error[0] = '\0';
  status = cuda::workspace_bytes({context, *config, *args}, &bytes);
  return status != QCF_OK ? status : check_pointers(context, config, args, bytes);
#else
  return check_common(context, config, args);
#endif
}

bool is_cuda(const qcf_context* context) { return context != nullptr && context->device == QCF_DEVICE_CUDA; }

// What a CUDA context runs. A build without CUDA refuses such a context in its checks.
#if QCF_HAVE_CUDA
#define QCF_ON_CUDA(stage)                                            \
  if (is_cuda(context)) {                                             \
    const qcf_status cuda_status = begin_cuda(context, config, args); \
    return cuda_status != QCF_OK ? cuda_status : cuda::stage;         \
  }
#else
#define QCF_ON_CUDA(stage) \
  if (is_cuda(context)) return begin_cuda(context, config, args);
#endif

qcf_status done(const Plan& plan, qcf_status status, Stage stage) {
  plan.state->magic = status == QCF_OK ? kMagic : 0;
  plan.state->stage = stage;
  return status;
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

void qcf_context_init(qcf_context* context, qcf_device device) {
  std::memset(context, 0, sizeof(*context));
  context->struct_size = sizeof(*context);
  context->device = device;
}

void qcf_head_config_init(qcf_head_config* config, qcf_head_kind kind) {
  std::memset(config, 0, sizeof(*config));
  config->struct_size = sizeof(*config);
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
}

void qcf_head_args_init(qcf_head_args* args) {
  std::memset(args, 0, sizeof(*args));
  args->struct_size = sizeof(*args);
}

qcf_status qcf_head_workspace_bytes(qcf_context* context, const qcf_head_config* config,
                                    const qcf_head_args* args, size_t* bytes) {
  const qcf_status status = check_common(context, config, args);
  if (status != QCF_OK) return status;
  if (bytes == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "bytes is NULL");
#if QCF_HAVE_CUDA
  if (is_cuda(context)) return cuda::largest_workspace_bytes({context, *config, *args}, bytes);
#endif
  *bytes = make_plan(*context, *config, *args, nullptr).bytes;
  return QCF_OK;
}

qcf_status qcf_head_exchange_view(qcf_context* context, const qcf_head_config* config,
                                  const qcf_head_args* args, qcf_head_exchange* exchange) {
  if (exchange == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "exchange is NULL");
  QCF_ON_CUDA(exchange_view({context, *config, *args}, exchange))
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kNone, &plan);
  if (status != QCF_OK) return status;
  *exchange = {plan.target, plan.log_sums, plan.counts};
  return QCF_OK;
}

qcf_status qcf_head_prepare(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  QCF_ON_CUDA(prepare({context, *config, *args}))
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kNone, &plan);
  return status != QCF_OK ? status : done(plan, prepare(context, *args, plan), Stage::kPrepared);
}

qcf_status qcf_head_sums(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  QCF_ON_CUDA(sums({context, *config, *args}))
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kPrepared, &plan);
  return status != QCF_OK ? status : done(plan, sums(context, *config, *args, plan), Stage::kSummed);
}

qcf_status qcf_head_finish(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  QCF_ON_CUDA(finish({context, *config, *args}))
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kSummed, &plan);
  return status != QCF_OK ? status : done(plan, finish(*config, *args, plan), Stage::kFinished);
}

qcf_status qcf_head_weights(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  QCF_ON_CUDA(weights({context, *config, *args}))
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kFinished, &plan);
  return status != QCF_OK ? status : done(plan, weights(*config, *args, plan), Stage::kFinished);
}

qcf_status qcf_head_step(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  qcf_status status = check_common(context, config, args);
  if (status != QCF_OK) return status;
  if (args->k_total != 0 && args->k_total != args->k_loc) {
    return fail(context, QCF_INVALID_ARGUMENT,
                "k_loc = %lld of k_total = %lld classes: a whole step needs all; use the staged calls",
                static_cast<long long>(args->k_loc), static_cast<long long>(args->k_total));
  }
  status = qcf_head_prepare(context, config, args);
  if (status == QCF_OK) status = qcf_head_sums(context, config, args);
  if (status == QCF_OK) status = qcf_head_finish(context, config, args);
  if (status == QCF_OK) status = qcf_head_weights(context, config, args);
  return status;
}

qcf_status qcf_head_check(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  QCF_ON_CUDA(check({context, *config, *args}))
  return check_common(context, config, args);
}

qcf_status qcf_head_plan(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args,
                         qcf_plan* plan) {
  const qcf_status status = check_common(context, config, args);
  if (status != QCF_OK) return status;
  if (plan == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "plan is NULL");
  *plan = QCF_PLAN_CHUNKED;
#if QCF_HAVE_CUDA
  if (is_cuda(context)) return cuda::choose_plan({context, *config, *args}, plan);
#endif
  return QCF_OK;
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
#if QCF_HAVE_CUDA
  if (is_cuda(context)) return cuda::unit_rows(context, rows, d, matrix, type, unit);
#endif
  if (type != QCF_TYPE_F32) return fail(context, QCF_UNSUPPORTED, "type: the CPU has f32 only");
  return unit_rows(context, rows, d, matrix, static_cast<float*>(unit));
}

qcf_status qcf_cuda_open(qcf_context* context) {
  const qcf_status status = check_context(context);
#if QCF_HAVE_CUDA
  if (status == QCF_OK && is_cuda(context)) return cuda::open(context);
#endif
  return status;
}

void qcf_cuda_close(qcf_context* context) {
#if QCF_HAVE_CUDA
  if (is_cuda(context)) cuda::close(context);
#else
  (void)context;
#endif
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
