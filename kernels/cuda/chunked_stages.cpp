// The chunked plan's passes: a chunk of classes that stays in L2, products by cuBLASLt, fused kernels between them.
#include <algorithm>

#include "kernels/cuda/launches.h"
#include "kernels/cuda/passes.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/sequence.h"
#include "kernels/cuda/side_stream.h"

namespace qcface::kernels::cuda {
namespace {

/// The four products: for a whole chunk and for what remains at the end.
struct ChunkProducts {
  Product whole, rest;
  const Product& of(const Layout& layout, std::int64_t classes) const {
    return classes == layout.chunk ? whole : rest;
  }
};

template <class Shape>
qcf_status prepare_products(qcf_context* context, const Layout& layout, const Shape& shape,
                            ChunkProducts* products) {
  const std::int64_t rest = layout.classes % layout.chunk;
  qcf_status status = QCF_OK;
  const auto make = [&](std::int64_t classes, Product* product) {
    if (status == QCF_OK) {
      status = prepare_product(context, shape(classes), layout.product_workspace,
                               layout.product_workspace_bytes, product);
    }
  };
  if (layout.classes >= layout.chunk) make(layout.chunk, &products->whole);
  if (rest > 0) make(rest, &products->rest);
  return status;
}

ProductShape cosine_shape(const Layout& layout, std::int64_t classes) {
  return {layout.type, layout.n,     classes,      layout.d_pad, false,
          true,        layout.d_pad, layout.d_pad, layout.chunk};
}

/// Unit rows of a chunk of w in the operand type, made here unless the caller keeps them.
const void* unit_chunk(const HeadCall& call, const Layout& layout, std::int64_t first, std::int64_t classes,
                       Sequence& run) {
  const qcf_head_args& args = call.args;
  if (args.unit_w != nullptr && layout.sampled == nullptr) {
    return static_cast<const char*>(args.unit_w) +
           static_cast<std::size_t>(first * layout.d) * type_bytes(layout.type);
  }
  const bool all = layout.sampled == nullptr;
  run(unit_rows(classes, layout.d, layout.d_pad, all ? args.w + first * layout.d : args.w,
                all ? nullptr : layout.sampled + first, all ? classes : layout.w_rows, layout.type, layout.wh,
                nullptr, nullptr, ErrorTensor::kW, stream_of(call.context)),
      "unit rows of w");
  return layout.wh;
}

}  // namespace

qcf_status chunked_sums(const HeadCall& call, const Layout& layout) {
  qcf_context* const context = call.context;
  Sequence run(context);
  ChunkProducts cosine_products{}, vector_products{};
  run(prepare_products(
      context, layout, [&](std::int64_t classes) { return cosine_shape(layout, classes); },
      &cosine_products));
  if (layout.vectors) {
    const auto shape = [&](std::int64_t classes) {
      return ProductShape{layout.type, layout.n,     layout.d_pad, classes,     false,
                          false,       layout.chunk, layout.d_pad, layout.d_pad};
    };
    run(prepare_products(context, layout, shape, &vector_products));
  }
  for (std::int64_t first = 0; first < layout.classes && run.ok(); first += layout.chunk) {
    const std::int64_t classes = std::min(layout.chunk, layout.classes - first);
    const void* const wh = unit_chunk(call, layout, first, classes, run);
    run(run_product(context, cosine_products.of(layout, classes), 1.0f, layout.xh, wh, 0.0f, layout.cosines));
    run(exponentials(layout, call.config, first, classes, stream_of(context)), "exponentials");
    if (layout.vectors) {
      run(run_product(context, vector_products.of(layout, classes), 1.0f, layout.operand, wh,
                      first == 0 ? 0.0f : 1.0f, layout.sums_vectors));
    }
  }
  return run.status();
}

qcf_status chunked_weights(const HeadCall& call, const Layout& layout) {
  qcf_context* const context = call.context;
  const ClassUpdate update = update_of(call, layout);
  Sequence run(context);
  if (layout.n == 0) {  // no row, but the optimiser's decay and momentum
    run(class_update(update, 0, layout.classes, nullptr, 0, stream_of(context)), "class update");
    return run.status();
  }
  ChunkProducts cosine_products{}, gradient_products{};
  run(prepare_products(
      context, layout, [&](std::int64_t classes) { return cosine_shape(layout, classes); },
      &cosine_products));
  const auto shape = [&](std::int64_t classes) {
    return ProductShape{layout.type, classes,      layout.d_pad, layout.n,    true,
                        false,       layout.chunk, layout.d_pad, layout.d_pad};
  };
  run(prepare_products(context, layout, shape, &gradient_products));
  const float undo = 1.0f / gradient_scale(layout.type, call.config, layout.batch);
  // The class update streams w and velocity from memory while the next chunk's products use the tensor cores. It reads H,
  // which with fp32 operands has one buffer of its own, and with 16-bit ones lies in one of two that S is made in.
  // The count behind it, H100, N = D = 512, bf16: of a chunk of 6400 classes S takes 6 us, G 4, H 6 and the update, 18 D
  // bytes a class at 3.0 TB/s, 20. One after the other that is 36 us, beside each other 20: 0.24 ms of 15 chunks (93,431).
  const int buffers = layout.classes <= layout.chunk ? 0 : layout.second != nullptr ? 2 : 1;
  SideWork side(context, buffers);
  std::int64_t i = 0;
  for (std::int64_t first = 0; first < layout.classes && run.ok(); first += layout.chunk, ++i) {
    const std::int64_t classes = std::min(layout.chunk, layout.classes - first);
    Layout at = layout;
    if (buffers == 2 && i % 2 == 1) at.cosines = at.gradients = layout.second;
    const bool shared = at.gradients == at.cosines;
    const void* const wh = unit_chunk(call, at, first, classes, run);
    if (shared) run(side.before_fill(i), "wait for the class update");
    run(run_product(context, cosine_products.of(layout, classes), 1.0f, layout.xh, wh, 0.0f, at.cosines));
    run(factors(at, call.config, first, classes, stream_of(context)), "factors");
    if (!shared) run(side.before_fill(i), "wait for the class update");
    run(run_product(context, gradient_products.of(layout, classes), undo, layout.operand, layout.xh, 0.0f,
                    at.gradients));
    cudaStream_t beside = nullptr;
    run(side.begin(i, &beside), "hand-over to the class update");
    if (run.ok())
      run(class_update(update, first, classes, at.gradients, layout.d_pad, beside), "class update");
    if (run.ok()) run(side.end(i), "class update");
  }
  run(side.join(), "end of the class updates");
  return run.status();
}

}  // namespace qcface::kernels::cuda
