// The stages of the CUDA head: which kernels run in which order. Host code; it enqueues and returns.
#include "kernels/cuda/head.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>

#include "kernels/check.h"
#include "kernels/cuda/plan.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/stages.h"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {
namespace {

using ::qcface::cuda::DeviceFacts;

constexpr int kLeastArchitecture = 80;
constexpr const char* kStageNames[] = {"nothing", "prepare", "sums", "finish"};

cudaStream_t stream_of(const qcf_context* context) { return static_cast<cudaStream_t>(context->stream); }

qcf_status device_error(qcf_context* context, cudaError_t error, const char* what) {
  return fail(context, QCF_UNSUPPORTED, "CUDA: %s: %s", what, cudaGetErrorString(error));
}

/// Runs launches until one fails; each result becomes a status with the launch's name.
class Sequence {
 public:
  explicit Sequence(qcf_context* context) : context_(context) {}
  void operator()(cudaError_t error, const char* what) {
    if (status_ == QCF_OK && error != cudaSuccess) status_ = device_error(context_, error, what);
  }
  void operator()(qcf_status status) {
    if (status_ == QCF_OK) status_ = status;
  }
  bool ok() const { return status_ == QCF_OK; }
  qcf_status status() const { return status_; }

 private:
  qcf_context* context_;
  qcf_status status_ = QCF_OK;
};

qcf_status facts_of(qcf_context* context, DeviceFacts* facts) {
#ifdef QCF_EMULATE
  const cudaError_t error = qcface::cuda::device_facts(context->device_index, facts);
#else
  // Every stage asks; single attributes take microseconds, all properties take a millisecond.
  int shared = 0, l2 = 0;
  const struct {
    cudaDeviceAttr attribute;
    int* value;
  } wanted[] = {{cudaDevAttrComputeCapabilityMajor, &facts->major},
                {cudaDevAttrComputeCapabilityMinor, &facts->minor},
                {cudaDevAttrMultiProcessorCount, &facts->multiprocessors},
                {cudaDevAttrMaxSharedMemoryPerBlockOptin, &shared},
                {cudaDevAttrL2CacheSize, &l2}};
  cudaError_t error = cudaSuccess;
  for (const auto& item : wanted) {
    if (error == cudaSuccess)
      error = cudaDeviceGetAttribute(item.value, item.attribute, context->device_index);
  }
  facts->shared_bytes_per_block = static_cast<std::size_t>(shared);
  facts->l2_bytes = static_cast<std::size_t>(l2);
#endif
  return error == cudaSuccess ? QCF_OK : device_error(context, error, "the device's properties");
}

FusedShape shape_of(const qcf_head_args& args) {
  return {args.operand_type, args.n, args.d, args.k_loc, args.unit_w != nullptr, args.sampled != nullptr};
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

/// The four products: for a whole chunk and for what remains at the end.
struct ChunkProducts {
  Product whole, rest;
  const Product& of(const Plan& plan, std::int64_t classes) const {
    return classes == plan.chunk ? whole : rest;
  }
};

template <class Shape>
qcf_status prepare_products(qcf_context* context, const Plan& plan, const Shape& shape,
                            ChunkProducts* products) {
  const std::int64_t rest = plan.k_loc % plan.chunk;
  qcf_status status = QCF_OK;
  const auto make = [&](std::int64_t classes, Product* product) {
    if (status == QCF_OK) {
      status = prepare_product(context, shape(classes), plan.product_workspace, plan.product_workspace_bytes,
                               product);
    }
  };
  if (plan.k_loc >= plan.chunk) make(plan.chunk, &products->whole);
  if (rest > 0) make(rest, &products->rest);
  return status;
}

ProductShape cosine_shape(const Plan& plan, std::int64_t classes) {
  return {plan.type, plan.n, classes, plan.d_pad, false, true, plan.d_pad, plan.d_pad, plan.chunk};
}

/// Unit rows of a chunk of w in the operand type, made here unless the caller keeps them.
const void* unit_chunk(const HeadCall& call, const Plan& plan, std::int64_t first, std::int64_t classes,
                       Sequence& run) {
  const qcf_head_args& args = call.args;
  if (args.unit_w != nullptr && plan.sampled == nullptr) {
    return static_cast<const char*>(args.unit_w) +
           static_cast<std::size_t>(first * plan.d) * type_bytes(plan.type);
  }
  const bool all = plan.sampled == nullptr;
  run(unit_rows(classes, plan.d, plan.d_pad, all ? args.w + first * plan.d : args.w,
                all ? nullptr : plan.sampled + first, all ? classes : plan.w_rows, plan.type, plan.wh,
                nullptr, nullptr, ErrorTensor::kW, stream_of(call.context)),
      "unit rows of w");
  return plan.wh;
}

qcf_status chunked_sums(const HeadCall& call, const Plan& plan) {
  qcf_context* const context = call.context;
  Sequence run(context);
  ChunkProducts cosine_products{}, vector_products{};
  run(prepare_products(
      context, plan, [&](std::int64_t classes) { return cosine_shape(plan, classes); }, &cosine_products));
  if (plan.vectors) {
    const auto shape = [&](std::int64_t classes) {
      return ProductShape{plan.type, plan.n,     plan.d_pad, classes,   false,
                          false,     plan.chunk, plan.d_pad, plan.d_pad};
    };
    run(prepare_products(context, plan, shape, &vector_products));
  }
  for (std::int64_t first = 0; first < plan.k_loc && run.ok(); first += plan.chunk) {
    const std::int64_t classes = std::min(plan.chunk, plan.k_loc - first);
    const void* const wh = unit_chunk(call, plan, first, classes, run);
    run(run_product(context, cosine_products.of(plan, classes), 1.0f, plan.xh, wh, 0.0f, plan.cosines));
    run(exponentials(plan, call.config, first, classes, stream_of(context)), "exponentials");
    if (plan.vectors) {
      run(run_product(context, vector_products.of(plan, classes), 1.0f, plan.operand, wh,
                      first == 0 ? 0.0f : 1.0f, plan.sums_vectors));
    }
  }
  return run.status();
}

ClassUpdate update_of(const HeadCall& call, const Plan& plan) {
  const qcf_head_args& args = call.args;
  ClassUpdate u{};
  u.k_loc = plan.k_loc;
  u.sampled = plan.sampled;
  u.d = plan.d;
  u.n = plan.n;
  u.w = args.w;
  u.dw = args.dw;
  u.accumulate = args.dw_mode == QCF_GRADIENT_ACCUMULATE;
  if (args.sgd != nullptr) {
    u.sgd_w = args.sgd->w;
    u.velocity = args.sgd->velocity;
    u.lr = args.sgd->lr;
    u.skip = args.sgd->skip;
    u.momentum = args.sgd->momentum;
    u.weight_decay = args.sgd->weight_decay;
    u.unit_w = args.unit_w;
  }
  u.type = plan.type;
  u.labels = plan.labels;
  u.x = plan.x;
  u.z = plan.z;
  u.target_c = plan.target;
  u.one_minus_q = plan.one_minus_q;
  u.slope = plan.slope;
  u.scale = plan.batch > 0 ? call.config.s / plan.batch : 0.0;
  u.errors = &plan.state->errors;
  u.vectorised = plan.d % 4 == 0;
  for (const float* matrix :
       {plan.x, args.w, static_cast<const float*>(args.dw), static_cast<const float*>(u.velocity)}) {
    u.vectorised = u.vectorised && reinterpret_cast<std::uintptr_t>(matrix) % 16 == 0;  // NULL is aligned
  }
  return u;
}

qcf_status chunked_weights(const HeadCall& call, const Plan& plan) {
  qcf_context* const context = call.context;
  const ClassUpdate update = update_of(call, plan);
  Sequence run(context);
  if (plan.n == 0) {  // no row, but the optimiser's decay and momentum
    run(class_update(update, 0, plan.k_loc, nullptr, 0, stream_of(context)), "class update");
    return run.status();
  }
  ChunkProducts cosine_products{}, gradient_products{};
  run(prepare_products(
      context, plan, [&](std::int64_t classes) { return cosine_shape(plan, classes); }, &cosine_products));
  const auto shape = [&](std::int64_t classes) {
    return ProductShape{plan.type, classes,    plan.d_pad, plan.n,    true,
                        false,     plan.chunk, plan.d_pad, plan.d_pad};
  };
  run(prepare_products(context, plan, shape, &gradient_products));
  const float undo = 1.0f / gradient_scale(plan.type, call.config, plan.batch);
  for (std::int64_t first = 0; first < plan.k_loc && run.ok(); first += plan.chunk) {
    const std::int64_t classes = std::min(plan.chunk, plan.k_loc - first);
    const void* const wh = unit_chunk(call, plan, first, classes, run);
    run(run_product(context, cosine_products.of(plan, classes), 1.0f, plan.xh, wh, 0.0f, plan.cosines));
    run(factors(plan, call.config, first, classes, stream_of(context)), "factors");
    run(run_product(context, gradient_products.of(plan, classes), undo, plan.operand, plan.xh, 0.0f,
                    plan.gradients));
    run(class_update(update, first, classes, plan.gradients, plan.d_pad, stream_of(context)), "class update");
  }
  return run.status();
}

qcf_status fused_sums(const HeadCall& call, const Plan& plan) {
  if constexpr (kMmaBuilt || kWgmmaBuilt) {
    FusedSums f{};
    f.kind = call.config.kind;
    f.shape = shape_of(call.args);
    f.s = static_cast<float>(call.config.s);
    f.mv_a = static_cast<float>(call.config.mv_a);
    f.t = &plan.state->t;
    f.unit_x = plan.xh;
    f.unit_w = call.args.unit_w;
    f.margin = plan.margin;
    f.target_c = plan.target_c;
    f.label = plan.label;
    f.plain = plan.plain;
    f.vectors = plan.vectors;
    f.parts = plan.parts;
    f.partials = plan.partials;
    f.shift = plan.shift;
    f.sum = plan.sum;
    f.counts = plan.counts;
    f.out_vectors = plan.sums_vectors;
    f.errors = &plan.state->errors;
    cudaError_t error = cudaErrorInvalidValue;
    if constexpr (kMmaBuilt) {
      if (plan.kind == QCF_PLAN_MMA) error = mma_sums(f, stream_of(call.context));
    }
    if constexpr (kWgmmaBuilt) {
      if (plan.kind == QCF_PLAN_WGMMA) error = wgmma_sums(f, stream_of(call.context));
    }
    return error == cudaSuccess ? QCF_OK : device_error(call.context, error, "fused sums");
  } else {
    return fail(call.context, QCF_UNSUPPORTED, "the fused plans are not in this build");
  }
}

qcf_status fused_weights(const HeadCall& call, const Plan& plan) {
  if constexpr (kMmaBuilt || kWgmmaBuilt) {
    FusedWeights f{};
    f.kind = call.config.kind;
    f.shape = shape_of(call.args);
    f.s = static_cast<float>(call.config.s);
    f.mv_a = static_cast<float>(call.config.mv_a);
    f.batch = plan.batch;
    f.t = &plan.state->t;
    f.unit_x = plan.xh;
    f.unit_w = call.args.unit_w;
    f.margin = plan.margin;
    f.shift = plan.log_shift;
    f.factor = plan.factor;
    f.label = plan.label;
    f.rows = plan.fused_rows;
    f.update = update_of(call, plan);
    cudaError_t error = cudaErrorInvalidValue;
    if constexpr (kMmaBuilt) {
      if (plan.kind == QCF_PLAN_MMA) error = mma_weights(f, stream_of(call.context));
    }
    if constexpr (kWgmmaBuilt) {
      if (plan.kind == QCF_PLAN_WGMMA) error = wgmma_weights(f, stream_of(call.context));
    }
    return error == cudaSuccess ? QCF_OK : device_error(call.context, error, "fused weights");
  } else {
    return fail(call.context, QCF_UNSUPPORTED, "the fused plans are not in this build");
  }
}

qcf_status report(const HeadCall& call, const Plan& plan, unsigned long long key) {
  qcf_context* const context = call.context;
  const qcf_head_args& args = call.args;
  const auto row = static_cast<std::int64_t>(key & ((1ull << 56) - 1));
  const auto fetch = [&](auto value, const void* from) {
    (void)cudaMemcpy(&value, from, sizeof(value), cudaMemcpyDeviceToHost);
    return value;
  };
  const auto fetch_label = [&] {
    return args.label_type == QCF_LABEL_I64
               ? fetch(std::int64_t{0}, static_cast<const std::int64_t*>(args.labels) + row)
               : std::int64_t{fetch(std::int32_t{0}, static_cast<const std::int32_t*>(args.labels) + row)};
  };
  switch (static_cast<ErrorTensor>(key >> 56)) {
    case ErrorTensor::kStage:
      return fail(context, QCF_INVALID_ARGUMENT,
                  "workspace: this stage follows %s, but the last one run on it was %s", kStageNames[row & 3],
                  kStageNames[row >> 8 & 3]);
    case ErrorTensor::kT:
      return fail(context, QCF_NOT_FINITE, "t[0] = %g, expected a finite value",
                  static_cast<double>(fetch(0.0f, args.t)));
    case ErrorTensor::kTargetMean:
      return fail(context, QCF_NOT_FINITE, "target_mean[0] = %g, expected a finite value",
                  fetch(0.0, args.target_mean));
    case ErrorTensor::kRate:
      return fail(context, QCF_NOT_FINITE, "sgd.lr[0] = %g, expected a finite value",
                  args.sgd != nullptr ? static_cast<double>(fetch(0.0f, args.sgd->lr)) : 0.0);
    case ErrorTensor::kLabels: {
      const std::int64_t label = fetch_label();
      return fail(context, QCF_LABEL_OUT_OF_RANGE,
                  "labels[%" PRId64 "] = %" PRId64 ", expected 0 <= label < %" PRId64, row, label,
                  plan.k_total);
    }
    case ErrorTensor::kX:
      return fail(context, QCF_NOT_FINITE, "x: row %" PRId64 " of %" PRId64 " holds NaN or infinity", row,
                  plan.n);
    case ErrorTensor::kW:
      return fail(context, QCF_NOT_FINITE, "w: row %" PRId64 " of %" PRId64 " holds NaN or infinity",
                  plan.sampled != nullptr ? fetch(std::int64_t{0}, plan.sampled + row) : row, plan.w_rows);
    case ErrorTensor::kLengthStats:
      return fail(context, QCF_NOT_FINITE, "length_stats[%" PRId64 "] = %g, expected a finite value", row,
                  static_cast<double>(fetch(0.0f, args.length_stats + row)));
    case ErrorTensor::kLengthMoments:
      return fail(context, QCF_NOT_FINITE, "length_moments[%" PRId64 "] = %g, expected a finite value", row,
                  fetch(0.0, args.length_moments + row));
    case ErrorTensor::kSampled:
      return fail(context, QCF_INVALID_ARGUMENT,
                  "sampled[%" PRId64 "] = %" PRId64 ", expected ascending rows of w below %" PRId64, row,
                  fetch(std::int64_t{0}, plan.sampled + row), plan.w_rows);
    case ErrorTensor::kNotSampled: {
      const std::int64_t label = fetch_label();
      return fail(context, QCF_LABEL_OUT_OF_RANGE,
                  "labels[%" PRId64 "] = %" PRId64 ": its row %" PRId64 " of w is not in `sampled`", row,
                  label, label - plan.offset);
    }
  }
  return fail(context, QCF_INVALID_ARGUMENT, "workspace: it holds no state of a head step");
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
  return status == QCF_OK ? open_products(context) : status;
}

void close(qcf_context* context) { close_products(context); }

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
  const auto make = [&](std::int64_t classes, Product* product) {
    const ProductShape shape{QCF_TYPE_F32, n, classes, plan.d_pad, false, true, plan.d_pad, plan.d_pad, k};
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
