// y [N, out] = x [N, in] W^T + b, y in fp32. The weights are kept as they are in the state, [out, in]. In a 16-bit
// precision the gradient of y is rounded to that type for the two products of the backward pass.
#include <algorithm>

#include "nn/cuda/bias.h"
#include "nn/cuda/convert.h"
#include "nn/cuda/cuda_backend.h"

namespace qcface::nn::cuda {
namespace {

class FullyConnectedLayer final : public CompiledLayer {
 public:
  FullyConnectedLayer(const CudaBackend& backend, const LoweredGraph& graph, const Layer& layer,
                      ParameterStore& parameters, const CompileOptions& options)
      : backend_(backend),
        parameters_(parameters),
        weight_(static_cast<std::size_t>(layer.weight)),
        bias_(static_cast<std::size_t>(layer.bias)) {
    const Value& x = graph.values[static_cast<std::size_t>(layer.x)];
    const Value& y = graph.values[static_cast<std::size_t>(layer.y)];
    type_ = backend.layout(x, options.n).type;
    n_ = options.n;
    in_ = static_cast<std::int64_t>(x.shape.elements());
    out_ = y.shape.channels;
    MatrixProducts& products = backend.products();
    forward_ = {type_, StorageType::kF32, n_, out_, in_, false, true};
    needs_.forward_scratch_bytes = products.prepare(forward_);
    needs_.x_in_backward = options.mode != Mode::kEval;
    if (options.mode == Mode::kEval) return;
    weights_ = {type_, StorageType::kF32, out_, in_, n_, true, false};
    data_ = {type_, type_, n_, in_, out_, false, false};
    std::size_t bytes = std::max(products.prepare(weights_),
                                 column_sums_workspace_bytes(StorageType::kF32, n_, static_cast<int>(out_)));
    if (options.input_gradient) bytes = std::max(bytes, products.prepare(data_));
    workspace_ = aligned_bytes(bytes);
    needs_.backward_scratch_bytes = workspace_;
    if (type_ != StorageType::kF32)
      needs_.backward_scratch_bytes += static_cast<std::size_t>(n_ * out_) * bytes_of(type_);
  }

  void forward(const ForwardCall& call) override {
    backend_.products().multiply(forward_, call.x, weight(), call.y, call.scratch);
    bias_add(StorageType::kF32, StorageType::kF32, n_, static_cast<int>(out_), call.y,
             parameters_.storage(bias_).data(), call.y, backend_.stream());
  }

  void backward(const BackwardCall& call) override {
    const cudaStream_t stream = backend_.stream();
    column_sums(StorageType::kF32, n_, static_cast<int>(out_), call.dy,
                parameters_.storage(bias_, TensorRole::kGradient).data(), call.scratch, stream);
    const void* dy = call.dy;
    if (type_ != StorageType::kF32) {
      void* const narrow = offset(call.scratch, workspace_);
      cast(n_ * out_, StorageType::kF32, call.dy, type_, narrow, stream);
      dy = narrow;
    }
    backend_.products().multiply(weights_, dy, call.x,
                                 parameters_.storage(weight_, TensorRole::kGradient).data(), call.scratch);
    if (call.dx) backend_.products().multiply(data_, dy, weight(), call.dx, call.scratch);
  }

 private:
  const void* weight() const {
    return type_ == StorageType::kF32 ? parameters_.storage(weight_).data()
                                      : parameters_.working_storage(weight_);
  }

  const CudaBackend& backend_;
  ParameterStore& parameters_;
  std::size_t weight_, bias_;
  StorageType type_ = StorageType::kF32;
  std::int64_t n_ = 0, in_ = 0, out_ = 0;
  MatrixProduct forward_, weights_, data_;
  std::size_t workspace_ = 0;  // then the 16-bit gradient of y
};

}  // namespace

std::unique_ptr<CompiledLayer> make_fully_connected(const CudaBackend& backend, const LoweredGraph& graph,
                                                    const Layer& layer, ParameterStore& parameters,
                                                    const CompileOptions& options) {
  return std::make_unique<FullyConnectedLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cuda
