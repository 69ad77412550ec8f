// The stages of the CUDA head: which kernels run in which order. Host code; it enqueues and returns.
#include "kernels/cuda/head.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"
#include "kernels/cuda/plan_stages.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/sequence.h"
#include "kernels/cuda/side_stream.h"
#include "kernels/cuda/stages.h"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {
namespace {

using ::qcface::cuda::DeviceFacts;

constexpr int kLeastArchitecture = 80;

qcf_status facts_of(qcf_context* context, DeviceFacts* facts) {
#ifdef QCF_EMULATE
  const cudaError_t error = qcface::cuda::device_facts(context->device_index, facts);
#else
  // Every stage asks several times, and a device does not change: each thread keeps the answer for the last one.
  thread_local int known = -1;
  thread_local DeviceFacts kept;
  cudaError_t error = cudaSuccess;
  if (known != context->device_index) {
    int shared = 0, l2 = 0;
    const struct {
      cudaDeviceAttr attribute;
      int* value;
    } wanted[] = {{cudaDevAttrComputeCapabilityMajor, &kept.major},
                  {cudaDevAttrComputeCapabilityMinor, &kept.minor},
                  {cudaDevAttrMultiProcessorCount, &kept.multiprocessors},
                  {cudaDevAttrMaxSharedMemoryPerBlockOptin, &shared},
                  {cudaDevAttrL2CacheSize, &l2}};
    known = -1;
    for (const auto& item : wanted) {
      if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(item.value, item.attribute, context->device_index);
    }
    kept.shared_bytes_per_block = static_cast<std::size_t>(shared);
    kept.l2_bytes = static_cast<std::size_t>(l2);
    if (error == cudaSuccess) known = context->device_index;
  }
  *facts = kept;
#endif
  return error == cudaSuccess ? QCF_OK : device_error(context, error, "the device's properties");
}

qcf_status plan_with(const HeadCall& call, void* base, Plan* plan) {
  qcf_plan kind = QCF_PLAN_AUTO;
  qcf_status status = choose_plan(call, &kind);
  DeviceFacts facts;
  if (status == QCF_OK) status = facts_of(call.context, &facts);
  if (status == QCF_OK)
    *plan = make_plan(kind, facts, call.config, call.args, product_workspace_bytes(), base);
  return status;
}

}  // namespace

qcf_status check_device(qcf_context* context) {
  const int count = qcface::cuda::device_count();
  if (count == 0)
    return fail(context, QCF_UNSUPPORTED, "context.device = cuda: no GPU or no driver was found");
  if (context->device_index < 0 || context->device_index >= count) {
    return fail(context, QCF_INVALID_ARGUMENT, "context.device_index = %d, expected 0 to %d",
                context->device_index, count - 1);
  }
  const cudaError_t error = cudaSetDevice(context->device_index);
  return error == cudaSuccess ? QCF_OK : device_error(context, error, "the device could not be chosen");
}

qcf_status open(qcf_context* context) {
  qcf_status status = check_device(context);
  DeviceFacts facts;
  if (status == QCF_OK) status = facts_of(context, &facts);
  if (status == QCF_OK && facts.architecture() < kLeastArchitecture) {
    return fail(context, QCF_UNSUPPORTED,
                "GPU %d has compute capability %d.%d: the kernels need 8.0 or later", context->device_index,
                facts.major, facts.minor);
  }
  if (status == QCF_OK) status = open_products(context);
  if (status == QCF_OK) status = open_side_stream(context);
  if (status != QCF_OK) close(context);
  return status;
}

void close(qcf_context* context) {
  close_side_stream(context);
  close_products(context);
}

qcf_status choose_plan(const HeadCall& call, qcf_plan* plan) {
  DeviceFacts facts;
  const qcf_status status = facts_of(call.context, &facts);
  if (status != QCF_OK) return status;
  const PlanChoice choice = choose_plan(facts, shape_of(call.args), call.context->plan);
  if (choice.refusal != nullptr) {
    return fail(call.context, QCF_UNSUPPORTED, "context.plan = %s: the plan %s",
                qcf_plan_name(call.context->plan), choice.refusal);
  }
  *plan = choice.plan;
  return QCF_OK;
}

qcf_status workspace_bytes(const HeadCall& call, std::size_t* bytes) {
  Plan plan{};
  const qcf_status status = plan_with(call, nullptr, &plan);
  *bytes = plan.bytes;
  return status;
}

qcf_status largest_workspace_bytes(const HeadCall& call, std::size_t* bytes) {
  qcf_plan kind = QCF_PLAN_AUTO;
  qcf_status status = choose_plan(call, &kind);
  DeviceFacts facts;
  if (status == QCF_OK) status = facts_of(call.context, &facts);
  if (status != QCF_OK) return status;
  *bytes = largest_plan_bytes(call.context->plan, facts, call.config, call.args, product_workspace_bytes());
  return QCF_OK;
}

qcf_status exchange_view(const HeadCall& call, qcf_head_exchange* exchange) {
  Plan plan{};
  const qcf_status status = plan_with(call, call.args.workspace, &plan);
  *exchange = {plan.target, plan.log_sums, plan.counts};
  return status;
}

qcf_status prepare(const HeadCall& call) {
  const qcf_head_args& args = call.args;
  Plan plan{};
  Sequence run(call.context);
  run(plan_with(call, args.workspace, &plan));
  if (!run.ok()) return run.status();
  const cudaStream_t stream = stream_of(call.context);
  const HeadRow& head = *head_row(call.config.kind);
  StageInputs inputs;
  if (head.has_t) inputs.t = args.t;
  inputs.target_mean = args.target_mean;
  if (head.has_length_stats) inputs.length_stats = args.length_stats;
  inputs.length_moments = args.length_moments;
  run(begin_stage(plan, Stage::kNone, Stage::kPrepared, inputs, stream), "begin");
  if (args.x_type != QCF_TYPE_F32) {
    run(widen(args.x, args.x_type, plan.n * plan.d, plan.wide_x, stream), "x in fp32");
  }
  run(local_labels(plan, args, stream), "labels");
  run(unit_rows(plan.n, plan.d, plan.d_pad, plan.x, nullptr, plan.n, plan.type, plan.xh, plan.z,
                &plan.state->errors, ErrorTensor::kX, stream),
      "unit rows of x");
  run(target_cosines(plan, args, stream), "target cosines");
  return run.status();
}

qcf_status sums(const HeadCall& call) {
  Plan plan{};
  Sequence run(call.context);
  run(plan_with(call, call.args.workspace, &plan));
  if (!run.ok()) return run.status();
  const cudaStream_t stream = stream_of(call.context);
  run(begin_stage(plan, Stage::kPrepared, Stage::kSummed, {}, stream), "begin");
  run(start_sums(plan, call.config, call.args, stream), "start of the sums");
  if (plan.n == 0 || !run.ok()) return run.status();
  run(plan.kind == QCF_PLAN_CHUNKED ? chunked_sums(call, plan) : fused_sums(call, plan));
  if (run.ok()) run(close_sums(plan, stream), "close of the sums");
  return run.status();
}

qcf_status finish(const HeadCall& call) {
  Plan plan{};
  Sequence run(call.context);
  run(plan_with(call, call.args.workspace, &plan));
  if (!run.ok()) return run.status();
  const cudaStream_t stream = stream_of(call.context);
  run(begin_stage(plan, Stage::kSummed, Stage::kFinished, {}, stream), "begin");
  run(finish_rows(plan, call.config, call.args, stream), "rows");
  run(finish_losses(plan, call.config, call.args, stream), "losses");
  return run.status();
}

qcf_status weights(const HeadCall& call) {
  const qcf_head_args& args = call.args;
  Plan plan{};
  Sequence run(call.context);
  run(plan_with(call, args.workspace, &plan));
  if (!run.ok() || !plan.weights) return run.status();
  StageInputs inputs;
  if (args.sgd != nullptr) inputs.lr = args.sgd->lr;
  run(begin_stage(plan, Stage::kFinished, Stage::kFinished, inputs, stream_of(call.context)), "begin");
  if (!run.ok()) return run.status();
  return plan.kind == QCF_PLAN_CHUNKED || plan.n == 0 ? chunked_weights(call, plan)
                                                      : fused_weights(call, plan);
}

qcf_status check(const HeadCall& call) {
  qcf_context* const context = call.context;
  Plan plan{};
  const qcf_status status = plan_with(call, call.args.workspace, &plan);
  if (status != QCF_OK) return status;
  cudaError_t error = cudaStreamSynchronize(stream_of(context));
  HeadState state{};
  if (error == cudaSuccess) error = cudaMemcpy(&state, plan.state, sizeof(state), cudaMemcpyDeviceToHost);
  if (error != cudaSuccess) return device_error(context, error, "the stream");
  if (state.magic != kStateMagic) return report(call, plan, 255ull << 56);
  return state.errors.key == kNoError ? QCF_OK : report(call, plan, state.errors.key);
}

qcf_status unit_rows(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                     qcf_type type, void* unit) {
  Sequence run(context);
  run(unit_rows(rows, d, d, matrix, nullptr, rows, type, unit, nullptr, nullptr, ErrorTensor::kW,
                stream_of(context)),
      "unit rows");
  return run.status();
}

std::size_t cosines_workspace_bytes(const qcf_context& context, std::int64_t n, std::int64_t d,
                                    std::int64_t k) {
  DeviceFacts facts;
  qcf_context copy = context;  // for the text of an error, which check_device would have told before
  (void)facts_of(&copy, &facts);
  return make_cosines_plan(facts, n, d, k, product_workspace_bytes(), nullptr).bytes;
}

qcf_status cosines(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k, const float* x,
                   const float* w, double scale, float* out, void* workspace) {
  DeviceFacts facts;
  Sequence run(context);
  run(facts_of(context, &facts));
  if (!run.ok() || n == 0) return run.status();
  const CosinesPlan plan = make_cosines_plan(facts, n, d, k, product_workspace_bytes(), workspace);
  const cudaStream_t stream = stream_of(context);
  run(unit_rows(n, d, plan.d_pad, x, nullptr, n, QCF_TYPE_F32, plan.xh, nullptr, nullptr, ErrorTensor::kX,
                stream),
      "unit rows of x");
  Product whole{}, rest{};
  // A chunk begins a multiple of 32 bytes after the one before, so that `out` and k alone decide.
  const int alignment = alignment_of(out, k);
  const auto make = [&](std::int64_t classes, Product* product) {
    const ProductShape shape{QCF_TYPE_F32, n,          classes,    plan.d_pad, false,
                             true,         plan.d_pad, plan.d_pad, k,          alignment};
    run(prepare_product(context, shape, plan.product_workspace, product_workspace_bytes(), product));
  };
  if (run.ok() && k >= plan.chunk) make(plan.chunk, &whole);
  if (run.ok() && k % plan.chunk > 0) make(k % plan.chunk, &rest);
  for (std::int64_t first = 0; first < k && run.ok(); first += plan.chunk) {
    const std::int64_t classes = std::min(plan.chunk, k - first);
    run(unit_rows(classes, d, plan.d_pad, w + first * d, nullptr, classes, QCF_TYPE_F32, plan.wh, nullptr,
                  nullptr, ErrorTensor::kW, stream),
        "unit rows of w");
    run(run_product(context, classes == plan.chunk ? whole : rest, 1.0f, plan.xh, plan.wh, 0.0f,
                    out + first));
    run(scale_cosines(out + first, n, classes, k, static_cast<float>(scale), stream), "scaling");
  }
  return run.status();
}

}  // namespace qcface::kernels::cuda
