// y = W x + b on plain rows [N, in]; y is a packed vector. Weights are kept as they are in the state, [out, in].
#include "nn/cpu/cpu_backend.h"

#include <algorithm>
#include "nn/cpu/primitive.h"

namespace qcface::nn::cpu {
namespace {

using Md = dnnl::memory::desc;

class FullyConnectedLayer final : public CompiledLayer {
 public:
  FullyConnectedLayer(const CpuBackend& backend, const LoweredGraph& graph, const Layer& layer,
                      ParameterStore& parameters, const CompileOptions& options)
      : backend_(backend),
        parameters_(parameters),
        weight_(static_cast<std::size_t>(layer.weight)),
        bias_(static_cast<std::size_t>(layer.bias)),
        n_(options.n) {
    const auto f32 = dnnl::memory::data_type::f32;
    const dnnl::engine& engine = backend.engine();
    const Value& x = graph.values[static_cast<std::size_t>(layer.x)];
    const Value& y = graph.values[static_cast<std::size_t>(layer.y)];
    const dnnl::memory::dim in = static_cast<dnnl::memory::dim>(x.shape.elements()), out = y.shape.channels;
    out_ = out;
    row_ = std::int64_t{backend.blocks(y.shape.channels)} * backend.block();
    const Md src({options.n, in}, f32, dnnl::memory::format_tag::nc),
        weights({out, in}, f32, dnnl::memory::format_tag::oi);
    const Md bias({out}, f32, dnnl::memory::format_tag::x), dst = backend.descriptor(y, options.n);
    const dnnl::primitive_attr attributes = planned_scratch();
    const bool training = options.mode != Mode::kEval;
    const auto pd = fc_forward_pd(
        engine, training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference, src,
        weights, bias, dst, attributes);
    forward_ = BoundPrimitive(engine, dnnl::inner_product_forward(pd),
                              {{DNNL_ARG_SRC, src},
                               {DNNL_ARG_WEIGHTS, weights},
                               {DNNL_ARG_BIAS, bias},
                               {DNNL_ARG_DST, dst},
                               {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
    needs_.forward_scratch_bytes = pd.scratchpad_desc().get_size();
    needs_.x_in_backward = training;
    if (!training) return;
    const auto wpd = fc_backward_weights_pd(engine, src, weights, bias, dst, pd, attributes);
    dweights_ = BoundPrimitive(engine, dnnl::inner_product_backward_weights(wpd),
                               {{DNNL_ARG_SRC, src},
                                {DNNL_ARG_DIFF_WEIGHTS, weights},
                                {DNNL_ARG_DIFF_BIAS, bias},
                                {DNNL_ARG_DIFF_DST, dst},
                                {DNNL_ARG_SCRATCHPAD, wpd.scratchpad_desc()}});
    needs_.backward_scratch_bytes = wpd.scratchpad_desc().get_size();
    if (!options.input_gradient) return;
    const auto dpd = fc_backward_data_pd(engine, src, weights, dst, pd, attributes);
    dsrc_ = BoundPrimitive(engine, dnnl::inner_product_backward_data(dpd),
                           {{DNNL_ARG_DIFF_SRC, src},
                            {DNNL_ARG_WEIGHTS, weights},
                            {DNNL_ARG_DIFF_DST, dst},
                            {DNNL_ARG_SCRATCHPAD, dpd.scratchpad_desc()}});
    needs_.backward_scratch_bytes = std::max(needs_.backward_scratch_bytes, dpd.scratchpad_desc().get_size());
  }

  void forward(const ForwardCall& call) override {
    forward_.set(DNNL_ARG_SRC, call.x);
    forward_.set(DNNL_ARG_WEIGHTS, parameters_.storage(weight_).data());
    forward_.set(DNNL_ARG_BIAS, parameters_.storage(bias_).data());
    forward_.set(DNNL_ARG_DST, call.y);
    if (call.scratch) forward_.set(DNNL_ARG_SCRATCHPAD, call.scratch);
    forward_.run(backend_.stream());
    for (std::int64_t i = 0; i < n_;
         ++i) {  // padding of the packed vector, which oneDNN takes for a gap between rows
      for (std::int64_t c = out_; c < row_; ++c) static_cast<float*>(call.y)[i * row_ + c] = 0;
    }
  }

  void backward(const BackwardCall& call) override {
    dweights_.set(DNNL_ARG_SRC, call.x);
    dweights_.set(DNNL_ARG_DIFF_WEIGHTS, parameters_.storage(weight_, TensorRole::kGradient).data());
    dweights_.set(DNNL_ARG_DIFF_BIAS, parameters_.storage(bias_, TensorRole::kGradient).data());
    dweights_.set(DNNL_ARG_DIFF_DST, call.dy);
    if (call.scratch) dweights_.set(DNNL_ARG_SCRATCHPAD, call.scratch);
    dweights_.run(backend_.stream());
    if (!call.dx) return;
    dsrc_.set(DNNL_ARG_DIFF_SRC, call.dx);
    dsrc_.set(DNNL_ARG_WEIGHTS, parameters_.storage(weight_).data());
    dsrc_.set(DNNL_ARG_DIFF_DST, call.dy);
    if (call.scratch) dsrc_.set(DNNL_ARG_SCRATCHPAD, call.scratch);
    dsrc_.run(backend_.stream());
  }

 private:
  const CpuBackend& backend_;
  ParameterStore& parameters_;
  std::size_t weight_, bias_;
  std::int64_t n_, out_ = 0, row_ = 0;
  BoundPrimitive forward_, dweights_, dsrc_;
};

}  // namespace

std::unique_ptr<CompiledLayer> make_fully_connected(const CpuBackend& backend, const LoweredGraph& graph,
                                                    const Layer& layer, ParameterStore& parameters,
                                                    const CompileOptions& options) {
  return std::make_unique<FullyConnectedLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cpu
