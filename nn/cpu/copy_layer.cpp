// Change of layout, and dropout of whole planes on the way: y = scale[n, c] * x, scale 0 or 1 / (1 - p).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/random.h"
#include "kernels/device/parallel.h"
#include "nn/cpu/cpu_backend.h"

namespace qcface::nn::cpu {
namespace {

class CopyLayer final : public CompiledLayer {
 public:
  CopyLayer(const CpuBackend& backend, const LoweredGraph& graph, const Layer& layer,
            const CompileOptions& options)
      : backend_(backend),
        name_(layer.name),
        x_(graph.values[static_cast<std::size_t>(layer.x)]),
        y_(graph.values[static_cast<std::size_t>(layer.y)]),
        n_(options.n),
        drop_(options.mode == Mode::kTrain ? layer.drop : 0) {
    needs_.x_in_backward = false;
    if (drop_ > 0) needs_.saved_bytes = planes() * sizeof(float);
  }

  void forward(const ForwardCall& call) override {
    const float* scale = nullptr;
    if (drop_ > 0) {
      draw(*call.dropout, static_cast<float*>(call.saved));
      scale = static_cast<const float*>(call.saved);
    }
    move(x_, static_cast<const float*>(call.x), y_, static_cast<float*>(call.y), scale);
  }

  void backward(const BackwardCall& call) override {
    if (!call.dx) return;
    move(y_, static_cast<const float*>(call.dy), x_, static_cast<float*>(call.dx),
         drop_ > 0 ? static_cast<const float*>(call.saved) : nullptr);
  }

 private:
  std::size_t planes() const {
    return static_cast<std::size_t>(n_) * static_cast<std::size_t>(x_.shape.channels);
  }

  void draw(const DropoutKey& key, float* scale) const {
    const float survivor = static_cast<float>(1 / (1 - drop_));
    if (!key.keep.empty()) {
      require(key.keep.size() == planes(),
              "{}: the given dropout mask has {} entries; [N, C] = [{}, {}] needs {}", name_, key.keep.size(),
              n_, x_.shape.channels, planes());
      for (std::size_t i = 0; i < planes(); ++i) scale[i] = key.keep[i] ? survivor : 0.0f;
      return;
    }
    // One word a plane, in row order over the whole batch of all ranks: a rank skips the rows before its own.
    const DropoutRecord& drawn = key.record != nullptr ? *key.record : key.drawn;
    RandomStream random(drawn.seed, RandomPurpose::kDropout, drawn.epoch, drawn.step);
    for (std::int64_t i = 0; i < drawn.first_row * x_.shape.channels; ++i) random.next_u32();
    const double threshold = std::ceil(drop_ * 0x1p32);
    for (std::size_t i = 0; i < planes(); ++i) scale[i] = random.next_u32() >= threshold ? survivor : 0.0f;
  }

  void move(const Value& from, const float* source, const Value& to, float* target,
            const float* scale) const {
    if (from.layout == Layout::kPacked && to.layout == Layout::kPlain)
      return backend_.unpack(from.shape, n_, source, target, scale);
    if (from.layout == Layout::kPlain && to.layout == Layout::kPacked)
      return backend_.pack(from.shape, n_, source, target, scale);
    const Shape& s = from.shape;
    const std::int64_t pixels = std::int64_t{s.height} * s.width;
    if (from.layout == Layout::kPlain) {
      parallel_for(static_cast<std::int64_t>(planes()), backend_.threads(), [&](std::int64_t plane) {
        const float factor = scale ? scale[plane] : 1.0f;
        for (std::int64_t i = plane * pixels; i < (plane + 1) * pixels; ++i) target[i] = source[i] * factor;
      });
      return;
    }
    const std::int64_t width = backend_.block(), cb = backend_.blocks(s.channels);
    parallel_for(n_ * cb, backend_.threads(), [&](std::int64_t task) {
      const std::int64_t sample = task / cb, first = task % cb * width;
      for (std::int64_t c = 0; c < width; ++c) {
        const bool real = first + c < s.channels;
        const float factor = !real ? 0.0f : scale ? scale[sample * s.channels + first + c] : 1.0f;
        for (std::int64_t i = 0; i < pixels; ++i) {
          const std::int64_t at = (task * pixels + i) * width + c;
          target[at] = source[at] * factor;
        }
      }
    });
  }

  const CpuBackend& backend_;
  std::string name_;
  Value x_, y_;
  int n_;
  double drop_;
};

}  // namespace

std::unique_ptr<CompiledLayer> make_copy(const CpuBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, const CompileOptions& options) {
  return std::make_unique<CopyLayer>(backend, graph, layer, options);
}

}  // namespace qcface::nn::cpu
