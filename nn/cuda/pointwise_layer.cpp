// y = prelu(batch_norm(x) + residual), each part optional: the kernels of pointwise.h in the order that a mode needs. In
// training a layer also leaves the statistics of y where a batch norm reads y next, which saves that layer a pass.
#include "nn/cuda/pointwise.h"

#include "core/error.h"
#include "nn/cuda/statistics_source.h"

namespace qcface::nn::cuda {
namespace {

class PointwiseLayer final : public CompiledLayer {
 public:
  PointwiseLayer(const CudaBackend& backend, const LoweredGraph& graph, const Layer& layer,
                 ParameterStore& parameters, const CompileOptions& options)
      : backend_(backend), parameters_(parameters), layer_(layer), mode_(options.mode) {
    require(layer.residual < 0 || layer.slope < 0, "{}: an addition and a PReLU cannot share a layer",
            layer.name);
    const ValueLayout x = backend.layout(graph.values[static_cast<std::size_t>(layer.x)], options.n);
    shape_ = {x.type, x.rows(), x.padded};
    if (layer.batch_norm) needs_.saved_bytes = batch_norm_saved_bytes(shape_.channels);
    if (statistics_left_by(backend, graph, layer, options.n, mode_) != Statistics::kNone)
      needs_.statistics_bytes = statistics_workspace_bytes(shape_);
    if (wants_batch_statistics(layer, mode_)) {
      found_ = statistics_found_by(backend, graph, layer, options.n, mode_);
      if (found_ == Statistics::kNone) needs_.forward_scratch_bytes = statistics_workspace_bytes(shape_);
    }
    const bool sums = layer.batch_norm || layer.slope >= 0;
    if (mode_ != Mode::kEval && sums)
      needs_.backward_scratch_bytes = pointwise_backward_workspace_bytes(shape_);
    needs_.x_in_backward = mode_ != Mode::kEval && sums;
    needs_.accumulates = true;
    needs_.backward_in_place = true;
    needs_.forward_in_place = true;
  }

  void forward(const ForwardCall& call) override {
    const cudaStream_t stream = backend_.stream();
    float* const saved = layer_.batch_norm ? static_cast<float*>(call.saved) : nullptr;
    if (wants_batch_statistics(layer_, mode_)) {
      if (found_ == Statistics::kNone) batch_norm_statistics(shape_, call.x, call.scratch, stream);
      if (found_ == Statistics::kSums) {
        batch_norm_from_sums(shape_, static_cast<const float*>(call.x_statistics), batch_norm(), saved,
                             stream);
      } else {
        batch_norm_finalise(shape_, found_ == Statistics::kNone ? call.scratch : call.x_statistics,
                            batch_norm(), saved, stream);
      }
    } else if (layer_.batch_norm) {
      batch_norm_from_running(shape_.channels, batch_norm(), saved, stream);
    }
    PointwiseForward pass;
    pass.shape = shape_;
    pass.x = call.x;
    pass.residual = call.residual;
    pass.y = call.y;
    pass.saved = saved;
    pass.slope = parameter(layer_.slope);
    pass.next_partials = call.y_statistics;
    pointwise_forward(pass, stream);
  }

  void backward(const BackwardCall& call) override {
    const cudaStream_t stream = backend_.stream();
    PointwiseBackward pass;
    pass.shape = shape_;
    pass.x = call.x;
    pass.dy = call.dy;
    pass.saved = layer_.batch_norm ? static_cast<const float*>(call.saved) : nullptr;
    pass.slope = parameter(layer_.slope);
    pass.frozen = mode_ != Mode::kTrain;
    pass.dx = call.dx;
    pass.accumulate_dx = call.accumulate;
    if (layer_.batch_norm || layer_.slope >= 0) {
      pointwise_backward_sums(pass, call.scratch, stream);
      pointwise_backward_finalise(pass, call.scratch, layer_.batch_norm ? gradient(layer_.weight) : nullptr,
                                  layer_.batch_norm ? gradient(layer_.bias) : nullptr, gradient(layer_.slope),
                                  stream);
    }
    if (call.dx) pointwise_backward(pass, call.scratch, stream);
  }

 private:
  float* parameter(int tensor) const {
    return tensor < 0 ? nullptr : parameters_.storage(static_cast<std::size_t>(tensor)).data();
  }
  float* gradient(int tensor) const {
    return tensor < 0 ? nullptr
                      : parameters_.storage(static_cast<std::size_t>(tensor), TensorRole::kGradient).data();
  }
  BatchNormParameters batch_norm() const {
    return {parameter(layer_.weight),
            parameter(layer_.bias),
            parameter(layer_.running_mean),
            parameter(layer_.running_var),
            layer_.eps,
            layer_.momentum};
  }

  const CudaBackend& backend_;
  ParameterStore& parameters_;
  Layer layer_;
  Mode mode_;
  PointwiseShape shape_;
  Statistics found_ = Statistics::kNone;
};

}  // namespace

std::unique_ptr<CompiledLayer> make_pointwise(const CudaBackend& backend, const LoweredGraph& graph,
                                              const Layer& layer, ParameterStore& parameters,
                                              const CompileOptions& options) {
  return std::make_unique<PointwiseLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cuda
