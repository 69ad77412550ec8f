// y = prelu(batch_norm(x) + residual), each part optional: the kernels of pointwise.h in the order that a mode needs. In
// training a layer also leaves the statistics of y where a batch norm reads y next, which saves that layer a pass. Where ranks
// share the batch norm, their totals are added up on the stream, in double.
#include "nn/cuda/pointwise.h"

#include "core/comm/communicator.h"
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
      ranks_ = backend.ranks();
    }
    const bool sums = layer.batch_norm || layer.slope >= 0;
    if (mode_ != Mode::kEval && sums)
      needs_.backward_scratch_bytes = pointwise_backward_workspace_bytes(shape_);
    if (ranks_ != nullptr) {
      const std::size_t bytes =
          static_cast<std::size_t>(batch_norm_total_count(shape_.channels)) * sizeof(double);
      forward_totals_ = aligned_bytes(needs_.forward_scratch_bytes);
      backward_totals_ = aligned_bytes(needs_.backward_scratch_bytes);
      needs_.forward_scratch_bytes = forward_totals_ + bytes;
      needs_.backward_scratch_bytes = backward_totals_ + bytes;
    }
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
      const void* const left = found_ == Statistics::kNone ? call.scratch : call.x_statistics;
      if (ranks_ != nullptr) {
        normalise_by_all_ranks(left, offset(call.scratch, forward_totals_), saved);
      } else if (found_ == Statistics::kSums) {
        batch_norm_from_sums(shape_, static_cast<const float*>(left), batch_norm(), saved, stream);
      } else {
        batch_norm_finalise(shape_, left, batch_norm(), saved, stream);
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
    if (ranks_ != nullptr) pass.totals = reinterpret_cast<double*>(offset(call.scratch, backward_totals_));
    if (layer_.batch_norm || layer_.slope >= 0) {
      pointwise_backward_sums(pass, call.scratch, stream);
      pointwise_backward_finalise(pass, call.scratch, layer_.batch_norm ? gradient(layer_.weight) : nullptr,
                                  layer_.batch_norm ? gradient(layer_.bias) : nullptr, gradient(layer_.slope),
                                  stream);
    }
    if (ranks_ != nullptr) {
      add_ranks(pass.totals);
      pointwise_backward_factors(pass, call.scratch, stream);
    }
    if (call.dx) pointwise_backward(pass, call.scratch, stream);
  }

 private:
  /// `left`: the statistics of this rank's rows.
  void normalise_by_all_ranks(const void* left, void* scratch, float* saved) const {
    const cudaStream_t stream = backend_.stream();
    double* const totals = static_cast<double*>(scratch);
    if (found_ == Statistics::kSums) {
      batch_norm_totals_from_sums(shape_, static_cast<const float*>(left), totals, stream);
    } else {
      batch_norm_totals(shape_, left, totals, stream);
    }
    add_ranks(totals);
    batch_norm_from_totals(shape_.channels, totals, batch_norm(), saved, stream);
  }
  void add_ranks(double* totals) const {
    ranks_->all_reduce(array_of(totals, batch_norm_total_count(shape_.channels), 1, true), Reduce::kSum,
                       backend_.stream_handle());
  }

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
  /// Those that the statistics are shared with; null: they are of this rank's samples.
  Communicator* ranks_ = nullptr;
  std::size_t forward_totals_ = 0, backward_totals_ = 0;  // where they lie in the scratch
};

}  // namespace

std::unique_ptr<CompiledLayer> make_pointwise(const CudaBackend& backend, const LoweredGraph& graph,
                                              const Layer& layer, ParameterStore& parameters,
                                              const CompileOptions& options) {
  return std::make_unique<PointwiseLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cuda
