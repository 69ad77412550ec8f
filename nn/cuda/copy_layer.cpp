// Change of layout, and dropout of whole planes on the way.
#include "core/error.h"
#include "nn/cuda/cuda_backend.h"
#include "nn/cuda/flatten.h"

namespace qcface::nn::cuda {
namespace {

class CopyLayer final : public CompiledLayer {
 public:
  CopyLayer(const CudaBackend& backend, const LoweredGraph& graph, const Layer& layer,
            const CompileOptions& options)
      : backend_(backend),
        name_(layer.name),
        x_(backend.layout(graph.values[static_cast<std::size_t>(layer.x)], options.n)),
        y_(backend.layout(graph.values[static_cast<std::size_t>(layer.y)], options.n)),
        drop_(options.mode == Mode::kTrain ? layer.drop : 0) {
    require(x_.padded == x_.channels && x_.type == y_.type, "{}: padded values are read by convolutions only",
            layer.name);
    needs_.x_in_backward = false;
    if (drop_ > 0) needs_.saved_bytes = planes();
  }

  void forward(const ForwardCall& call) override {
    const auto* const keep = static_cast<const std::uint8_t*>(call.saved);
    if (drop_ > 0) draw(*call.dropout, static_cast<std::uint8_t*>(call.saved));
    if (x_.channels_last && !y_.channels_last) {
      flatten(x_.type, x_.n, x_.pixels, x_.channels, call.x, keep, drop_, call.y, backend_.stream());
    } else if (!x_.channels_last && y_.channels_last) {
      flatten_backward(x_.type, x_.n, x_.pixels, x_.channels, call.x, keep, drop_, call.y, backend_.stream());
    } else {
      same_layout(call.x, keep, call.y);
    }
  }

  void backward(const BackwardCall& call) override {
    if (!call.dx) return;
    const auto* const keep = static_cast<const std::uint8_t*>(call.saved);
    if (x_.channels_last && !y_.channels_last) {
      flatten_backward(x_.type, x_.n, x_.pixels, x_.channels, call.dy, keep, drop_, call.dx,
                       backend_.stream());
    } else if (!x_.channels_last && y_.channels_last) {
      flatten(x_.type, x_.n, x_.pixels, x_.channels, call.dy, keep, drop_, call.dx, backend_.stream());
    } else {
      same_layout(call.dy, keep, call.dx);
    }
  }

 private:
  std::size_t planes() const {
    return static_cast<std::size_t>(x_.n) * static_cast<std::size_t>(x_.channels);
  }

  void draw(const DropoutKey& key, std::uint8_t* keep) const {
    if (key.keep.empty()) {
      return draw_dropout_mask(x_.n, x_.channels, drop_, backend_.dropout_record(key), keep,
                               backend_.stream());
    }
    require(key.keep.size() == planes(),
            "{}: the given dropout mask has {} entries; [N, C] = [{}, {}] needs {}", name_, key.keep.size(),
            x_.n, x_.channels, planes());
    backend_.copy_to_device(keep, key.keep.data(), planes());
  }

  void same_layout(const void* from, const std::uint8_t* keep, void* to) const {
    if (drop_ == 0) {
      check_cuda(cudaMemcpyAsync(to, from, static_cast<std::size_t>(x_.count()) * bytes_of(x_.type),
                                 cudaMemcpyDeviceToDevice, backend_.stream()),
                 "copy");
    } else if (x_.channels_last) {
      drop_planes(x_.type, x_.n, x_.pixels, x_.channels, from, keep, drop_, to, backend_.stream());
    } else {  // canonical: every plane is a sample of one channel
      drop_planes(x_.type, x_.n * x_.channels, x_.pixels, 1, from, keep, drop_, to, backend_.stream());
    }
  }

  const CudaBackend& backend_;
  std::string name_;
  ValueLayout x_, y_;
  double drop_;
};

}  // namespace

std::unique_ptr<CompiledLayer> make_copy(const CudaBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, const CompileOptions& options) {
  return std::make_unique<CopyLayer>(backend, graph, layer, options);
}

}  // namespace qcface::nn::cuda
