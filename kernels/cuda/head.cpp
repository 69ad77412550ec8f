// The stages of the CUDA head: which kernels run in which order. Host code; it enqueues and returns.
#include <algorithm>

#include "kernels/backend.h"
#include "kernels/check.h"
#include "kernels/cuda/launches.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/passes.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/sequence.h"
#include "kernels/cuda/side_stream.h"
#include "kernels/heads/table.h"

namespace qcface::kernels {
namespace cuda {
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

/// The plan that a call runs with.
qcf_status choose(const HeadCall& call, DeviceFacts* facts, qcf_plan* plan) {
  const qcf_status status = facts_of(call.context, facts);
  if (status != QCF_OK) return status;
  const PlanChoice choice = choose_plan(*facts, shape_of(call.args), call.context->plan);
  if (choice.refusal != nullptr) {
    return fail(call.context, QCF_UNSUPPORTED, "context.plan = %s: the plan %s",
                qcf_plan_name(call.context->plan), choice.refusal);
  }
  *plan = choice.plan;
  return QCF_OK;
}

/// Plan and layout of a call, and its pointers checked.
qcf_status lay_out(const HeadCall& call, Layout* layout) {
  DeviceFacts facts;
  qcf_plan plan = QCF_PLAN_AUTO;
  const qcf_status status = choose(call, &facts, &plan);
  if (status != QCF_OK) return status;
  *layout = make_layout(plan, facts, call.config, call.args, product_workspace_bytes(), call.args.workspace);
  return check_pointers(call, layout->bytes);
}

qcf_status check_device(qcf_context* context) {
  if (context->plan < QCF_PLAN_AUTO || context->plan > QCF_PLAN_WGMMA) {
    return fail(context, QCF_INVALID_ARGUMENT, "context.plan = %d, expected auto, chunked, mma or wgmma",
                context->plan);
  }
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

void close(qcf_context* context) {
  close_side_stream(context);
  close_products(context);
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

qcf_status plan_of(const HeadCall& call, qcf_plan* plan) {
  DeviceFacts facts;
  return choose(call, &facts, plan);
}

qcf_status workspace_bytes(const HeadCall& call, std::size_t* bytes) {
  DeviceFacts facts;
  qcf_plan plan = QCF_PLAN_AUTO;
  const qcf_status status = choose(call, &facts, &plan);
  if (status != QCF_OK) return status;
  *bytes = largest_layout_bytes(call.context->plan, facts, call.config, call.args, product_workspace_bytes());
  return QCF_OK;
}

qcf_status exchange(const HeadCall& call, qcf_head_exchange* exchange) {
  Layout layout{};
  const qcf_status status = lay_out(call, &layout);
  *exchange = {layout.target, layout.log_sums, layout.counts};
  return status;
}

void prepare(const HeadCall& call, const Layout& layout, Sequence& run) {
  const qcf_head_args& args = call.args;
  const cudaStream_t stream = stream_of(call.context);
  const HeadRow& head = *head_row(call.config.kind);
  StageInputs inputs;
  if (head.has_t) inputs.t = args.t;
  inputs.target_mean = args.target_mean;
  if (head.has_length_stats) inputs.length_stats = args.length_stats;
  inputs.length_moments = args.length_moments;
  run(begin_stage(layout, Stage::kPrepare, inputs, stream), "begin");
  if (layout.narrow) run(widen(args.x, args.x_type, layout.n * layout.d, layout.wide_x, stream), "x in fp32");
  run(local_labels(layout, args, stream), "labels");
  run(unit_rows(layout.n, layout.d, layout.d_pad, layout.x, nullptr, layout.n, layout.type, layout.xh,
                layout.z, &layout.state->errors, ErrorTensor::kX, stream),
      "unit rows of x");
  run(target_cosines(layout, args, stream), "target cosines");
}

void sums(const HeadCall& call, const Layout& layout, Sequence& run) {
  const cudaStream_t stream = stream_of(call.context);
  run(begin_stage(layout, Stage::kSums, {}, stream), "begin");
  run(start_sums(layout, call.config, call.args, stream), "start of the sums");
  if (layout.n == 0 || !run.ok()) return;
  run(layout.plan == QCF_PLAN_CHUNKED ? chunked_sums(call, layout) : fused_sums(call, layout));
  if (run.ok()) run(close_sums(layout, stream), "close of the sums");
}

void finish(const HeadCall& call, const Layout& layout, Sequence& run) {
  const cudaStream_t stream = stream_of(call.context);
  run(begin_stage(layout, Stage::kFinish, {}, stream), "begin");
  run(finish_rows(layout, call.config, call.args, stream), "rows");
  run(finish_losses(layout, call.config, call.args, stream), "losses");
}

void weights(const HeadCall& call, const Layout& layout, Sequence& run) {
  if (!layout.weights) return;
  StageInputs inputs;
  if (call.args.optimiser != nullptr) inputs.lr = call.optimiser.lr;
  run(begin_stage(layout, Stage::kWeights, inputs, stream_of(call.context)), "begin");
  if (!run.ok()) return;
  run(layout.plan == QCF_PLAN_CHUNKED || layout.n == 0 ? chunked_weights(call, layout)
                                                       : fused_weights(call, layout));
}

qcf_status run(const HeadCall& call, Stage first, Stage last) {
  constexpr void (*kStages[])(const HeadCall&, const Layout&, Sequence&) = {nullptr, prepare, sums, finish,
                                                                            weights};
  Layout layout{};
  Sequence run(call.context);
  run(lay_out(call, &layout));
  for (int stage = static_cast<int>(first); run.ok() && stage <= static_cast<int>(last); ++stage)
    kStages[stage](call, layout, run);
  return run.status();
}

qcf_status check(const HeadCall& call) {
  qcf_context* const context = call.context;
  Layout layout{};
  const qcf_status status = lay_out(call, &layout);
  if (status != QCF_OK) return status;
  cudaError_t error = cudaStreamSynchronize(stream_of(context));
  HeadState state{};
  if (error == cudaSuccess) error = cudaMemcpy(&state, layout.state, sizeof(state), cudaMemcpyDeviceToHost);
  if (error != cudaSuccess) return device_error(context, error, "the stream");
  if (state.magic != kStateMagic) return report(call, layout, 255ull << 56);
  return state.errors.key == kNoError ? QCF_OK : report(call, layout, state.errors.key);
}

qcf_status unit_rows_of(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                        qcf_type type, void* unit) {
  Sequence run(context);
  run(unit_rows(rows, d, d, matrix, nullptr, rows, type, unit, nullptr, nullptr, ErrorTensor::kW,
                stream_of(context)),
      "unit rows");
  return run.status();
}

qcf_status cosines_workspace_bytes(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k,
                                   std::size_t* bytes) {
  DeviceFacts facts;
  const qcf_status status = facts_of(context, &facts);
  if (status == QCF_OK)
    *bytes = make_cosines_layout(facts, n, d, k, product_workspace_bytes(), nullptr).bytes;
  return status;
}

qcf_status cosines(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k, const float* x,
                   const float* w, double scale, float* out, void* workspace) {
  DeviceFacts facts;
  Sequence run(context);
  run(facts_of(context, &facts));
  if (!run.ok() || n == 0) return run.status();
  const CosinesLayout layout = make_cosines_layout(facts, n, d, k, product_workspace_bytes(), workspace);
  const cudaStream_t stream = stream_of(context);
  run(unit_rows(n, d, layout.d_pad, x, nullptr, n, QCF_TYPE_F32, layout.xh, nullptr, nullptr, ErrorTensor::kX,
                stream),
      "unit rows of x");
  Product whole{}, rest{};
  // A chunk begins a multiple of 32 bytes after the one before, so that `out` and k alone decide.
  const int alignment = alignment_of(out, k);
  const auto make = [&](std::int64_t classes, Product* product) {
    const ProductShape shape{QCF_TYPE_F32, n, classes,  layout.d_pad, false, true, layout.d_pad,
                             layout.d_pad, k, alignment};
    run(prepare_product(context, shape, layout.product_workspace, product_workspace_bytes(), product));
  };
  if (run.ok() && k >= layout.chunk) make(layout.chunk, &whole);
  if (run.ok() && k % layout.chunk > 0) make(k % layout.chunk, &rest);
  for (std::int64_t first = 0; first < k && run.ok(); first += layout.chunk) {
    const std::int64_t classes = std::min(layout.chunk, k - first);
    run(unit_rows(classes, d, layout.d_pad, w + first * d, nullptr, classes, QCF_TYPE_F32, layout.wh, nullptr,
                  nullptr, ErrorTensor::kW, stream),
        "unit rows of w");
    run(run_product(context, classes == layout.chunk ? whole : rest, 1.0f, layout.xh, layout.wh, 0.0f,
                    out + first));
    run(scale_cosines(out + first, n, classes, k, static_cast<float>(scale), stream), "scaling");
  }
  return run.status();
}

}  // namespace
}  // namespace cuda

const HeadBackend kCudaBackend = {
    cuda::check_device, cuda::open, cuda::close, cuda::plan_of,      cuda::workspace_bytes,
    cuda::exchange,     cuda::run,  cuda::check, cuda::unit_rows_of, cuda::cosines_workspace_bytes,
    cuda::cosines};

}  // namespace qcface::kernels
