// Convolution by oneDNN on packed values. Weights are kept in the blocked order that the forward primitive likes
// (ParameterLayout), so that only the gradient of the input, which wants its own order, rearranges them.
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "core/error.h"
#include "nn/cpu/cpu_backend.h"
#include "nn/cpu/primitive.h"

namespace qcface::nn::cpu {
namespace {

using Md = dnnl::memory::desc;

const Value& value_at(const LoweredGraph& graph, int i) { return graph.values[static_cast<std::size_t>(i)]; }

dnnl::memory::dims weight_dims(const LoweredGraph& graph, const Layer& layer) {
  return {value_at(graph, layer.y).shape.channels, value_at(graph, layer.x).shape.channels, layer.kernel,
          layer.kernel};
}

ConvDescriptor describe(const CpuBackend& backend, const LoweredGraph& graph, const Layer& layer, int n) {
  ConvDescriptor d;
  d.src = backend.descriptor(value_at(graph, layer.x), n);
  d.dst = backend.descriptor(value_at(graph, layer.y), n);
  d.weights = Md(weight_dims(graph, layer), dnnl::memory::data_type::f32, dnnl::memory::format_tag::any);
  d.strides = {layer.stride, layer.stride};
  d.padding = {layer.padding, layer.padding};
  return d;
}

/// The same with oneDNN's free choice of layouts.
ConvDescriptor relaxed(const ConvDescriptor& d) {
  const auto any = [](const Md& m) {
    return Md(dims_of(m), dnnl::memory::data_type::f32, dnnl::memory::format_tag::any);
  };
  return {any(d.src), any(d.weights), any(d.dst), d.strides, d.padding};
}

template <class Pd>
bool slow(const Pd& pd) {
  return std::string(pd.impl_info_str()).find("ref") != std::string::npos;
}

/// Our layouts unless they leave only the reference implementation and another layout does better.
template <class Make>
auto choose(const ConvDescriptor& ours, const Make& make) {
  auto pd = make(ours);
  if (!slow(pd)) return pd;
  auto other = make(relaxed(ours));
  return slow(other) ? pd : other;
}

auto forward_pd(const CpuBackend& backend, const ConvDescriptor& d, Mode mode) {
  const auto kind =
      mode == Mode::kEval ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
  return choose(d, [&](const ConvDescriptor& c) {
    return conv_forward_pd(backend.engine(), kind, c, planned_scratch());
  });
}

constexpr int kTypicalBatch = 16;

/// Order in which the weights are kept: what training at a typical batch size wants.
Md storage_descriptor(const CpuBackend& backend, const LoweredGraph& graph, const Layer& layer) {
  return forward_pd(backend, describe(backend, graph, layer, kTypicalBatch), Mode::kTrain).weights_desc();
}

class ConvWeightLayout final : public ParameterLayout {
 public:
  ConvWeightLayout(const dnnl::engine& engine, const dnnl::memory::dims& dims, Md storage)
      : engine_(engine),
        canonical_(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::oihw),
        storage_(std::move(storage)) {}
  std::size_t storage_elements() const override { return storage_.get_size() / sizeof(float); }
  void pack(const float* canonical, float* storage) const override {
    std::memset(storage, 0, storage_.get_size());
    reorder(canonical_, canonical, storage_, storage);
  }
  void unpack(const float* storage, float* canonical) const override {
    reorder(storage_, storage, canonical_, canonical);
  }

 private:
  void reorder(const Md& from_md, const float* from, const Md& to_md, float* to) const {
    dnnl::stream stream(engine_);
    dnnl::memory source(from_md, engine_, const_cast<float*>(from)), target(to_md, engine_, to);
    dnnl::reorder(source, target).execute(stream, source, target);
    stream.wait();
  }
  dnnl::engine engine_;
  Md canonical_, storage_;
};

class ConvLayer final : public CompiledLayer {
 public:
  ConvLayer(const CpuBackend& backend, const LoweredGraph& graph, const Layer& layer,
            ParameterStore& parameters, const CompileOptions& options)
      : backend_(backend), parameters_(parameters), weight_(static_cast<std::size_t>(layer.weight)) {
    const dnnl::engine& engine = backend.engine();
    const ConvDescriptor d = describe(backend, graph, layer, options.n);
    const Md kept = storage_descriptor(backend, graph, layer);
    {
      const auto pd = forward_pd(backend, d, options.mode);
      std::size_t& scratch = needs_.forward_scratch_bytes;
      forward_.scratchpad = aligned_bytes(pd.scratchpad_desc().get_size());
      scratch = forward_.scratchpad;
      forward_.src = Adapted(engine, d.src, pd.src_desc(), false, scratch);
      forward_.weights = Adapted(engine, kept, pd.weights_desc(), false, scratch);
      forward_.dst = Adapted(engine, d.dst, pd.dst_desc(), true, scratch);
      forward_.primitive = BoundPrimitive(engine, dnnl::convolution_forward(pd),
                                          {{DNNL_ARG_SRC, pd.src_desc()},
                                           {DNNL_ARG_WEIGHTS, pd.weights_desc()},
                                           {DNNL_ARG_DST, pd.dst_desc()},
                                           {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
    }
    needs_.x_in_backward = options.mode != Mode::kEval;
    if (options.mode == Mode::kEval) return;
    {
      const auto pd = choose(d, [&](const ConvDescriptor& c) {
        return conv_backward_weights_pd(
            engine, c, conv_forward_pd(engine, dnnl::prop_kind::forward_training, c, planned_scratch()),
            planned_scratch());
      });
      std::size_t scratch = dweights_.scratchpad = aligned_bytes(pd.scratchpad_desc().get_size());
      dweights_.src = Adapted(engine, d.src, pd.src_desc(), false, scratch);
      dweights_.weights = Adapted(engine, kept, pd.diff_weights_desc(), true, scratch);
      dweights_.dst = Adapted(engine, d.dst, pd.diff_dst_desc(), false, scratch);
      dweights_.primitive = BoundPrimitive(engine, dnnl::convolution_backward_weights(pd),
                                           {{DNNL_ARG_SRC, pd.src_desc()},
                                            {DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()},
                                            {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
                                            {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
      needs_.backward_scratch_bytes = scratch;
    }
    if (!options.input_gradient) return;
    const auto pd = choose(d, [&](const ConvDescriptor& c) {
      return conv_backward_data_pd(
          engine, c, conv_forward_pd(engine, dnnl::prop_kind::forward_training, c, planned_scratch()),
          planned_scratch());
    });
    std::size_t scratch = dsrc_.scratchpad = aligned_bytes(pd.scratchpad_desc().get_size());
    dsrc_.src = Adapted(engine, d.src, pd.diff_src_desc(), true, scratch);
    dsrc_.weights = Adapted(engine, kept, pd.weights_desc(), false, scratch);
    dsrc_.dst = Adapted(engine, d.dst, pd.diff_dst_desc(), false, scratch);
    dsrc_.primitive = BoundPrimitive(engine, dnnl::convolution_backward_data(pd),
                                     {{DNNL_ARG_DIFF_SRC, pd.diff_src_desc()},
                                      {DNNL_ARG_WEIGHTS, pd.weights_desc()},
                                      {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
                                      {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
    needs_.backward_scratch_bytes = std::max(needs_.backward_scratch_bytes, scratch);
  }

  void forward(const ForwardCall& call) override {
    const float* weights = parameters_.storage(weight_).data();
    dnnl::stream& stream = backend_.stream();
    forward_.src.before(call.x, call.scratch, stream);
    forward_.weights.before(weights, call.scratch, stream);
    forward_.run(DNNL_ARG_SRC, call.x, DNNL_ARG_WEIGHTS, weights, DNNL_ARG_DST, call.y, call.scratch, stream);
    forward_.dst.after(call.y, call.scratch, stream);
  }

  void backward(const BackwardCall& call) override {
    const float* weights = parameters_.storage(weight_).data();
    float* dweights = parameters_.storage(weight_, TensorRole::kGradient).data();
    dnnl::stream& stream = backend_.stream();
    dweights_.src.before(call.x, call.scratch, stream);
    dweights_.dst.before(call.dy, call.scratch, stream);
    dweights_.run(DNNL_ARG_SRC, call.x, DNNL_ARG_DIFF_WEIGHTS, dweights, DNNL_ARG_DIFF_DST, call.dy,
                  call.scratch, stream);
    dweights_.weights.after(dweights, call.scratch, stream);
    if (!call.dx) return;
    dsrc_.weights.before(weights, call.scratch, stream);
    dsrc_.dst.before(call.dy, call.scratch, stream);
    dsrc_.run(DNNL_ARG_DIFF_SRC, call.dx, DNNL_ARG_WEIGHTS, weights, DNNL_ARG_DIFF_DST, call.dy, call.scratch,
              stream);
    dsrc_.src.after(call.dx, call.scratch, stream);
  }

 private:
  struct Pass {
    BoundPrimitive primitive;
    Adapted src, weights, dst;
    std::size_t scratchpad = 0;  // the primitive's own, at the start of the layer's scratch
    void run(int src_id, const void* s, int weights_id, const void* w, int dst_id, const void* d,
             void* scratch, dnnl::stream& stream) {
      primitive.set(src_id, src.place(s, scratch));
      primitive.set(weights_id, weights.place(w, scratch));
      primitive.set(dst_id, dst.place(d, scratch));
      if (scratchpad > 0) primitive.set(DNNL_ARG_SCRATCHPAD, scratch);
      primitive.run(stream);
    }
  };
  const CpuBackend& backend_;
  ParameterStore& parameters_;
  std::size_t weight_;
  Pass forward_, dweights_, dsrc_;
};

}  // namespace

std::unique_ptr<ParameterLayout> make_conv_layout(const CpuBackend& backend, const LoweredGraph& graph,
                                                  const Layer& layer) {
  return std::make_unique<ConvWeightLayout>(backend.engine(), weight_dims(graph, layer),
                                            storage_descriptor(backend, graph, layer));
}

std::unique_ptr<CompiledLayer> make_conv(const CpuBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, ParameterStore& parameters,
                                         const CompileOptions& options) {
  return std::make_unique<ConvLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cpu
