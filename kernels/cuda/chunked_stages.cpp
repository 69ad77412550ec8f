// The chunked plan's passes: a chunk of classes that stays in L2, products by cuBLASLt, fused kernels between them.
#include <algorithm>

#include "kernels/cuda/plan_stages.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/sequence.h"
#include "kernels/cuda/side_stream.h"
#include "kernels/cuda/stages.h"

namespace qcface::kernels::cuda {
namespace {

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

}  // namespace

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
  // The class update streams w and velocity from memory while the next chunk's products use the tensor cores. It reads H,
  // which with fp32 operands has one buffer of its own, and with 16-bit ones lies in one of two that S is made in.
  // The count behind it, H100, N = D = 512, bf16: of a chunk of 6400 classes S takes 6 us, G 4, H 6 and the update, 18 D
  // bytes a class at 3.0 TB/s, 20. One after the other that is 36 us, beside each other 20: 0.24 ms of 15 chunks (93,431).
  const int buffers = plan.k_loc <= plan.chunk ? 0 : plan.second != nullptr ? 2 : 1;
  SideWork side(context, buffers);
  std::int64_t i = 0;
  for (std::int64_t first = 0; first < plan.k_loc && run.ok(); first += plan.chunk, ++i) {
    const std::int64_t classes = std::min(plan.chunk, plan.k_loc - first);
    Plan at = plan;
    if (buffers == 2 && i % 2 == 1) at.cosines = at.gradients = plan.second;
    const bool shared = at.gradients == at.cosines;
    const void* const wh = unit_chunk(call, at, first, classes, run);
    if (shared) run(side.before_fill(i), "wait for the class update");
    run(run_product(context, cosine_products.of(plan, classes), 1.0f, plan.xh, wh, 0.0f, at.cosines));
    run(factors(at, call.config, first, classes, stream_of(context)), "factors");
    if (!shared) run(side.before_fill(i), "wait for the class update");
    run(run_product(context, gradient_products.of(plan, classes), undo, plan.operand, plan.xh, 0.0f,
                    at.gradients));
    cudaStream_t beside = nullptr;
    run(side.begin(i, &beside), "hand-over to the class update");
    if (run.ok()) run(class_update(update, first, classes, at.gradients, plan.d_pad, beside), "class update");
    if (run.ok()) run(side.end(i), "class update");
  }
  run(side.join(), "end of the class updates");
  return run.status();
}

}  // namespace qcface::kernels::cuda
