// The CPU's table: the stages in their order, and the calls that are no step.
#include <cinttypes>
#include <cmath>

#include "kernels/backend.h"
#include "kernels/check.h"
#include "kernels/cpu/layout.h"

namespace qcface::kernels {
namespace {

qcf_status check_cpu(qcf_context* context) {
  if (context->threads < 0) {
    return fail(context, QCF_INVALID_ARGUMENT, "context.threads = %d, expected 0 (all) or more",
                context->threads);
  }
  if (tile_ops(context->isa) == nullptr) {
    return fail(context, QCF_UNSUPPORTED,
                "context.isa = %d: this processor or build lacks it; use QCF_ISA_AUTO", context->isa);
  }
  return QCF_OK;
}

/// What the stages read beside matrices is finite.
qcf_status check_values(const HeadCall& call) {
  const qcf_head_args& args = call.args;
  const HeadRow& head = *head_row(call.config.kind);
  qcf_status status = QCF_OK;
  const auto finite = [&](const auto* values, int count, const char* name) {
    for (int i = 0; values != nullptr && i < count && status == QCF_OK; ++i) {
      const double value = static_cast<double>(values[i]);
      if (!std::isfinite(value))
        status = fail(call.context, QCF_NOT_FINITE, "%s[%d] = %g, expected a finite value", name, i, value);
    }
  };
  if (head.has_t) finite(args.t, 1, "t");
  if (head.has_length_stats) finite(args.length_stats, 2, "length_stats");
  finite(args.length_moments, 2, "length_moments");
  finite(args.target_mean, 1, "target_mean");
  if (args.optimiser != nullptr) finite(args.optimiser->lr, 1, "optimiser.lr");
  return status;
}

qcf_status run_stage(const HeadCall& call, const Layout& layout, Stage stage) {
  switch (stage) {
    case Stage::kPrepare:
      return prepare(call.context, call.args, layout);
    case Stage::kSums:
      return sums(call.context, call.config, call.args, layout);
    case Stage::kFinish:
      return finish(call.config, call.args, layout);
    default:
      return weights(call.config, call.args, layout);
  }
}

qcf_status run(const HeadCall& call, Stage first, Stage last) {
  const Layout layout = make_layout(*call.context, call.config, call.args, call.args.workspace);
  qcf_status status = check_pointers(call, layout.bytes);
  if (status == QCF_OK) status = check_values(call);
  if (status != QCF_OK) return status;
  CpuState& state = *layout.state;
  const auto before = static_cast<Stage>(static_cast<int>(first) - 1);
  const Stage found = first != Stage::kPrepare && state.magic == kStateMagic ? state.stage : Stage::kNone;
  if (found < before) {
    return fail(call.context, QCF_INVALID_ARGUMENT,
                "workspace: this stage follows %s, but the last one run on it was %s",
                kStageNames[static_cast<int>(before)], kStageNames[static_cast<int>(found)]);
  }
  for (int stage = static_cast<int>(first); status == QCF_OK && stage <= static_cast<int>(last); ++stage) {
    state.stage = static_cast<Stage>(stage);
    status = run_stage(call, layout, state.stage);
    state.magic = status == QCF_OK ? kStateMagic : 0;
  }
  return status;
}

qcf_status exchange(const HeadCall& call, qcf_head_exchange* exchange) {
  const Layout layout = make_layout(*call.context, call.config, call.args, call.args.workspace);
  *exchange = {layout.target, layout.log_sums, layout.counts};
  return check_pointers(call, layout.bytes);
}

qcf_status unit_rows_of(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                        qcf_type type, void* unit) {
  if (type != QCF_TYPE_F32) return fail(context, QCF_UNSUPPORTED, "type: the CPU has f32 only");
  return unit_rows(context, rows, d, matrix, static_cast<float*>(unit));
}

}  // namespace

const HeadBackend kCpuBackend = {
    check_cpu,
    [](qcf_context*) { return QCF_OK; },
    [](qcf_context*) {},
    [](const HeadCall&, qcf_plan* plan) { return *plan = QCF_PLAN_CHUNKED, QCF_OK; },
    [](const HeadCall& call, std::size_t* bytes) {
      *bytes = make_layout(*call.context, call.config, call.args, nullptr).bytes;
      return QCF_OK;
    },
    exchange,
    run,
    [](const HeadCall&) { return QCF_OK; },  // the stages have reported already
    unit_rows_of,
    cosines_workspace_bytes,
    cosines};

}  // namespace qcface::kernels
