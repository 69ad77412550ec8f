// The C entries: check, plan, run a stage. Nothing here knows about classes or rows.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/check.h"
#include "kernels/cpu/plan.h"

namespace qcface::kernels {
namespace {

constexpr std::uint64_t kMagic = 0x71636661636b6572u;
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

qcf_status done(const Plan& plan, qcf_status status, Stage stage) {
  plan.state->magic = status == QCF_OK ? kMagic : 0;
  plan.state->stage = stage;
  return status;
}

}  // namespace
}  // namespace qcface::kernels

using namespace qcface::kernels;

extern "C" {

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
  config->rule = row != nullptr ? row->default_rule : QCF_RULE_EASY;
  config->phase = QCF_PHASE_ID;
  config->training = 1;
  config->s = 64;
  config->m = 0.5;
  config->lambda = 1;
  config->ua = 100;
  config->la = 1;
  config->eps = 1e-3;
  config->mv_a = 1.12;
  config->t_momentum = 0.01;
  config->s_min = 1e-4;
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
  *bytes = make_plan(*context, *config, *args, nullptr).bytes;
  return QCF_OK;
}

qcf_status qcf_head_exchange_view(qcf_context* context, const qcf_head_config* config,
                                  const qcf_head_args* args, qcf_head_exchange* exchange) {
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kNone, &plan);
  if (status != QCF_OK) return status;
  if (exchange == nullptr) return fail(context, QCF_INVALID_ARGUMENT, "exchange is NULL");
  *exchange = {plan.target, plan.log_sums, plan.counts};
  return QCF_OK;
}

qcf_status qcf_head_prepare(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kNone, &plan);
  return status != QCF_OK ? status : done(plan, prepare(context, *args, plan), Stage::kPrepared);
}

qcf_status qcf_head_sums(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kPrepared, &plan);
  return status != QCF_OK ? status : done(plan, sums(context, *config, *args, plan), Stage::kSummed);
}

qcf_status qcf_head_finish(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
  Plan plan;
  const qcf_status status = begin(context, config, args, Stage::kSummed, &plan);
  return status != QCF_OK ? status : done(plan, finish(*config, *args, plan), Stage::kFinished);
}

qcf_status qcf_head_weights(qcf_context* context, const qcf_head_config* config, const qcf_head_args* args) {
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
