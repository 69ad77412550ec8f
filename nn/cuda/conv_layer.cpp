// Convolutions: layout and working copy of the weights, and the hand-over to the convolution library.
#include <algorithm>

#include "core/error.h"
#include "nn/cuda/convert.h"
#include "nn/cuda/statistics_source.h"

namespace qcface::nn::cuda {

ConvolutionShape convolution_shape(const LoweredGraph& graph, const Layer& layer, StorageType type, int n) {
  const Value& x = graph.values[static_cast<std::size_t>(layer.x)];
  const Value& y = graph.values[static_cast<std::size_t>(layer.y)];
  const ValueLayout in = layout_of(x, type, n);
  require(in.channels_last, "{}: a convolution on CUDA reads channels-last values", layer.name);
  ConvolutionShape shape;
  shape.type = in.type;
  shape.n = n;
  shape.h = x.shape.height;
  shape.w = x.shape.width;
  shape.c = in.padded;
  shape.k = y.shape.channels;
  shape.kernel = layer.kernel;
  shape.stride = layer.stride;
  shape.padding = layer.padding;
  return shape;
}

namespace {

/// [K, C, R, S] <-> [K, R, S, C'].
class ConvWeightLayout final : public ParameterLayout {
 public:
  ConvWeightLayout(const ConvolutionShape& shape, int channels)
      : k_(static_cast<std::size_t>(shape.k)),
        c_(static_cast<std::size_t>(channels)),
        padded_(static_cast<std::size_t>(shape.c)),
        taps_(static_cast<std::size_t>(shape.kernel) * static_cast<std::size_t>(shape.kernel)) {}
  std::size_t storage_elements() const override { return k_ * taps_ * padded_; }
  void pack(const float* canonical, float* storage) const override {
    std::fill_n(storage, storage_elements(), 0.0f);
    each([&](std::size_t plain, std::size_t stored) { storage[stored] = canonical[plain]; });
  }
  void unpack(const float* storage, float* canonical) const override {
    each([&](std::size_t plain, std::size_t stored) { canonical[plain] = storage[stored]; });
  }

 private:
  template <class Body>
  void each(const Body& body) const {
    for (std::size_t k = 0; k < k_; ++k)
      for (std::size_t c = 0; c < c_; ++c)
        for (std::size_t t = 0; t < taps_; ++t) body((k * c_ + c) * taps_ + t, (k * taps_ + t) * padded_ + c);
  }
  std::size_t k_, c_, padded_, taps_;
};

class ConvLayer final : public CompiledLayer {
 public:
  ConvLayer(const CudaBackend& backend, const LoweredGraph& graph, const Layer& layer,
            ParameterStore& parameters, const CompileOptions& options)
      : backend_(backend),
        parameters_(parameters),
        weight_(static_cast<std::size_t>(layer.weight)),
        shape_(convolution_shape(graph, layer, backend.type(), options.n)) {
    try {
      convolution_ = backend.convolutions().find(shape_);
      sums_ = statistics_left_by(backend, graph, layer, options.n, options.mode) == Statistics::kSums;
      plan(options);
    } catch (const Error& error) {
      fail("{}: {}", layer.name, error.what());
    }
  }

  void forward(const ForwardCall& call) override {
    const void* const w = parameters_.working_storage(weight_);
    if (sums_) {
      convolution_->forward_sums(call.x, w, call.y, static_cast<float*>(call.y_statistics), call.scratch);
    } else {
      convolution_->forward(call.x, w, call.y, call.scratch);
    }
  }

  void backward(const BackwardCall& call) override {
    const std::span<float> gradient = parameters_.storage(weight_, TensorRole::kGradient);
    if (shape_.type == StorageType::kF32) {
      convolution_->backward_weights(call.x, call.dy, gradient.data(), call.scratch);
    } else {
      void* const narrow = offset(call.scratch, workspace_);
      convolution_->backward_weights(call.x, call.dy, narrow, call.scratch);
      cast(static_cast<std::int64_t>(gradient.size()), shape_.type, narrow, StorageType::kF32,
           gradient.data(), backend_.stream());
    }
    if (call.dx)
      convolution_->backward_data(parameters_.working_storage(weight_), call.dy, call.dx, call.scratch);
  }

 private:
  /// Every algorithm is chosen here, before any step is captured.
  void plan(const CompileOptions& options) {
    needs_.forward_scratch_bytes = sums_ ? convolution_->forward_sums_bytes() : convolution_->forward_bytes();
    if (sums_) needs_.statistics_bytes = 2 * sizeof(float) * static_cast<std::size_t>(shape_.k);
    needs_.x_in_backward = options.mode != Mode::kEval;
    if (options.mode == Mode::kEval) return;
    workspace_ = aligned_bytes(convolution_->backward_weights_bytes());
    if (options.input_gradient)
      workspace_ = std::max(workspace_, aligned_bytes(convolution_->backward_data_bytes()));
    needs_.backward_scratch_bytes = workspace_;
    // The library leaves the gradient in the type of its operands.
    if (shape_.type != StorageType::kF32)
      needs_.backward_scratch_bytes += parameters_.storage(weight_).size() * bytes_of(shape_.type);
  }

  const CudaBackend& backend_;
  ParameterStore& parameters_;
  std::size_t weight_;
  ConvolutionShape shape_;
  std::shared_ptr<Convolution> convolution_;
  bool sums_ = false;          // forward leaves them
  std::size_t workspace_ = 0;  // then the 16-bit gradient
};

}  // namespace

std::unique_ptr<ParameterLayout> make_conv_layout(const CudaBackend& backend, const LoweredGraph& graph,
                                                  const Layer& layer) {
  return std::make_unique<ConvWeightLayout>(convolution_shape(graph, layer, backend.type(), 1),
                                            graph.values[static_cast<std::size_t>(layer.x)].shape.channels);
}

std::unique_ptr<CompiledLayer> make_conv(const CudaBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, ParameterStore& parameters,
                                         const CompileOptions& options) {
  return std::make_unique<ConvLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cuda
