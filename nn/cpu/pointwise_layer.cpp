// y = prelu(batch_norm(x) + residual), each part optional, in one pass over memory forward (two with batch
// statistics) and two backward.
//
// Batch statistics: mean and biased variance over samples and pixels; running values take the unbiased variance,
// running = (1 - m) running + m batch. Sums are kept a plane at a time in double and added in the order of the
// samples, so the bits do not depend on the number of threads. Where ranks share the batch norm, theirs are added in turn, and
// the gradients of gamma and beta stay those of a rank's own samples, which add up like all others.
//
// Backward, with u = a x + b, a = gamma / sigma, n values a channel, dz = dy where u > 0 and slope dy elsewhere:
//   d beta = S1 = sum dz        d gamma = S2 / sigma,  S2 = sum dz (x - mean)        d slope = sum over u <= 0 of dy u
//   dx = a dz - a S1 / n - a S2 (x - mean) / (sigma^2 n)          (batch statistics)
//   dx = a dz                                                     (running statistics)
#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "kernels/device/parallel.h"
#include "nn/cpu/cpu_backend.h"
#include "nn/cpu/primitive.h"

namespace qcface::nn::cpu {
namespace {

class PointwiseLayer final : public CompiledLayer {
 public:
  PointwiseLayer(const CpuBackend& backend, const LoweredGraph& graph, const Layer& layer,
                 ParameterStore& parameters, const CompileOptions& options)
      : backend_(backend), parameters_(parameters), layer_(layer), mode_(options.mode), n_(options.n) {
    require(layer.residual < 0 || layer.slope < 0, "{}: an addition and a PReLU cannot share a layer",
            layer.name);
    const Shape& shape = graph.values[static_cast<std::size_t>(layer.x)].shape;
    channels_ = shape.channels;
    pixels_ = std::int64_t{shape.height} * shape.width;
    block_ = backend.block();
    cb_ = backend.blocks(shape.channels);
    const bool training = mode_ != Mode::kEval;
    needs_.saved_bytes = kSavedRows * row() * sizeof(float);
    if (batch_statistics()) needs_.forward_scratch_bytes = sum_bytes(2) + total_bytes(2);
    if (training) {
      needs_.backward_scratch_bytes =
          aligned_bytes(sum_bytes(3) + total_bytes(3) + total_bytes(2)) + 2 * row() * sizeof(float);
    }
    needs_.x_in_backward = training && (layer.batch_norm || layer.slope >= 0);
    needs_.accumulates = true;
    needs_.backward_in_place = true;
    needs_.forward_in_place = true;
  }

  void forward(const ForwardCall& call) override {
    float* const saved = static_cast<float*>(call.saved);
    // A task is a channel block with all samples where there are enough of them: the second pass then finds part of
    // the first one's data in the cache. Else a plane. The sums are the same.
    const bool by_block = cb_ >= 2 * backend_.threads() && !shared();
    if (!batch_statistics()) {
      for (std::int64_t cb = 0; cb < cb_; ++cb) constants_from_running(cb, saved);
    } else {
      double* const sums = static_cast<double*>(call.scratch);
      double* const totals = sums + sum_bytes(2) / sizeof(double);
      const auto statistics = [&](std::int64_t plane) {
        backend_.kernels().statistics(floats(call.x) + plane * plane_floats(), pixels_,
                                      sums + plane * 2 * block_);
      };
      if (by_block) {
        parallel_for(cb_, backend_.threads(), [&](std::int64_t cb) {
          for (std::int64_t s = 0; s < n_; ++s) statistics(s * cb_ + cb);
          add_up(cb, 2, sums, totals);
          constants_from_batch(cb, totals, own_count(), saved);
          for (std::int64_t s = n_; s-- > 0;) apply(call, saved, s, cb);
        });
        return;
      }
      parallel_for(n_ * cb_, backend_.threads(), statistics);
      for (std::int64_t cb = 0; cb < cb_; ++cb) add_up(cb, 2, sums, totals);
      const double count = shared() ? add_ranks(totals) : own_count();
      for (std::int64_t cb = 0; cb < cb_; ++cb) constants_from_batch(cb, totals, count, saved);
    }
    parallel_for(n_ * cb_, backend_.threads(),
                 [&](std::int64_t plane) { apply(call, saved, plane / cb_, plane % cb_); });
  }

  void backward(const BackwardCall& call) override {
    const float* const saved = static_cast<const float*>(call.saved);
    double* const sums = static_cast<double*>(call.scratch);
    double* const totals = sums + sum_bytes(3) / sizeof(double);
    double* const of_ranks = totals + total_bytes(3) / sizeof(double);  // of dz and dz (x - mean)
    float* const factors =
        reinterpret_cast<float*>(static_cast<std::byte*>(call.scratch) +
                                 aligned_bytes(sum_bytes(3) + total_bytes(3) + total_bytes(2)));
    const bool need_sums = layer_.batch_norm || layer_.slope >= 0;
    const auto sum = [&](std::int64_t plane) {
      backend_.kernels().backward_sums(floats(call.x) + plane * plane_floats(),
                                       floats(call.dy) + plane * plane_floats(), pixels_,
                                       coefficients(saved, factors, plane % cb_), sums + plane * 3 * block_);
    };
    const auto apply_plane = [&](std::int64_t plane) {
      const std::int64_t at = plane * plane_floats();
      // Without batch norm and PReLU the slope of x is 1 and x itself is not kept; any finite numbers do for it.
      const float* x = floats(call.x ? call.x : call.dy) + at;
      backend_.kernels().backward(x, floats(call.dy) + at, static_cast<float*>(call.dx) + at, call.accumulate,
                                  pixels_, coefficients(saved, factors, plane % cb_));
    };
    if (cb_ >= 2 * backend_.threads() && !shared()) {
      parallel_for(cb_, backend_.threads(), [&](std::int64_t cb) {
        if (need_sums) {
          for (std::int64_t s = 0; s < n_; ++s) sum(s * cb_ + cb);
          add_up(cb, 3, sums, totals);
        }
        finish_sums(cb, totals, totals, own_count(), saved, factors);
        if (!call.dx) return;
        for (std::int64_t s = n_; s-- > 0;) apply_plane(s * cb_ + cb);
      });
      return;
    }
    if (need_sums) parallel_for(n_ * cb_, backend_.threads(), sum);
    for (std::int64_t cb = 0; need_sums && cb < cb_; ++cb) add_up(cb, 3, sums, totals);
    const double* whole = totals;
    double count = own_count();
    if (shared()) {
      std::copy_n(totals, 2 * row(), of_ranks);
      count = add_ranks(of_ranks);
      whole = of_ranks;
    }
    for (std::int64_t cb = 0; cb < cb_; ++cb) finish_sums(cb, totals, whole, count, saved, factors);
    if (call.dx) parallel_for(n_ * cb_, backend_.threads(), apply_plane);
  }

 private:
  // Rows of `saved`, each padded to whole blocks.
  enum Row { kA, kB, kMean, kInvStd, kSlope, kSavedRows };

  static const float* floats(const void* p) { return static_cast<const float*>(p); }
  bool batch_statistics() const { return layer_.batch_norm && mode_ == Mode::kTrain; }
  std::size_t row() const { return static_cast<std::size_t>(cb_ * block_); }
  std::int64_t plane_floats() const { return pixels_ * block_; }
  std::size_t sum_bytes(std::int64_t kinds) const {
    return static_cast<std::size_t>(n_ * cb_ * block_ * kinds) * sizeof(double);
  }
  /// Room for `kinds` rows of channels, and a number behind them.
  std::size_t total_bytes(std::int64_t kinds) const {
    return (static_cast<std::size_t>(kinds) * row() + 1) * sizeof(double);
  }
  /// Whether statistics are those of all ranks' samples.
  bool shared() const { return batch_statistics() && backend_.ranks() != nullptr; }
  double own_count() const { return static_cast<double>(n_) * static_cast<double>(pixels_); }

  /// totals [kinds, row()] of a block: its sums over the samples.
  void add_up(std::int64_t cb, std::int64_t kinds, const double* sums, double* totals) const {
    for (std::int64_t k = 0; k < kinds; ++k) {
      double* const total = totals + k * cb_ * block_ + cb * block_;
      for (std::int64_t c = 0; c < block_; ++c) {
        total[c] = 0;
        for (std::int64_t s = 0; s < n_; ++s) total[c] += sums[((s * cb_ + cb) * kinds + k) * block_ + c];
      }
    }
  }
  /// totals [2, row()] become those of all ranks; returns how many values a channel they are of.
  double add_ranks(double* totals) const {
    double& count = totals[2 * row()];
    count = own_count();
    backend_.ranks()->all_reduce(array_of(totals, static_cast<std::int64_t>(2 * row()) + 1), Reduce::kSum);
    return count;
  }

  float* at(float* saved, Row which, std::int64_t cb) const {
    return saved + static_cast<std::int64_t>(which) * cb_ * block_ + cb * block_;
  }
  const float* at(const float* saved, Row which, std::int64_t cb) const {
    return saved + static_cast<std::int64_t>(which) * cb_ * block_ + cb * block_;
  }
  float* parameter(int tensor, TensorRole role = TensorRole::kValue) const {
    return parameters_.storage(static_cast<std::size_t>(tensor), role).data();
  }
  /// Number of real channels of block cb.
  std::int64_t real(std::int64_t cb) const { return std::min<std::int64_t>(block_, channels_ - cb * block_); }

  /// Fills the rows of one block from mean and variance a channel; padding channels get 0 throughout.
  template <class Moments>
  void constants(std::int64_t cb, float* saved, const Moments& moments) const {
    for (std::int64_t c = 0; c < block_; ++c) {
      const std::int64_t channel = cb * block_ + c;
      float a = 0, b = 0, mean = 0, inv_std = 0, slope = 0;
      if (channel < channels_) {
        a = 1;
        if (layer_.batch_norm) {
          const auto [m, variance] = moments(channel);
          const double inverse = 1 / std::sqrt(variance + static_cast<double>(layer_.eps));
          const double scale = static_cast<double>(parameter(layer_.weight)[channel]) * inverse;
          mean = static_cast<float>(m);
          inv_std = static_cast<float>(inverse);
          a = static_cast<float>(scale);
          b = static_cast<float>(static_cast<double>(parameter(layer_.bias)[channel]) - m * scale);
        }
        if (layer_.slope >= 0) slope = parameter(layer_.slope)[channel];
      }
      at(saved, kA, cb)[c] = a;
      at(saved, kB, cb)[c] = b;
      at(saved, kMean, cb)[c] = mean;
      at(saved, kInvStd, cb)[c] = inv_std;
      at(saved, kSlope, cb)[c] = slope;
    }
  }

  void constants_from_running(std::int64_t cb, float* saved) const {
    constants(cb, saved, [&](std::int64_t channel) {
      return std::pair(static_cast<double>(parameter(layer_.running_mean)[channel]),
                       static_cast<double>(parameter(layer_.running_var)[channel]));
    });
  }

  void constants_from_batch(std::int64_t cb, const double* totals, double count, float* saved) const {
    const double momentum = static_cast<double>(layer_.momentum);
    constants(cb, saved, [&](std::int64_t channel) {
      const double sum = totals[channel], squares = totals[cb_ * block_ + channel];
      const double mean = sum / count;
      double variance = (squares - sum * mean) / count;
      if (variance < 0) variance = 0;  // a constant channel, rounded; a NaN passes through and is seen
      float& running_mean = parameter(layer_.running_mean)[channel];
      float& running_var = parameter(layer_.running_var)[channel];
      running_mean = static_cast<float>((1 - momentum) * static_cast<double>(running_mean) + momentum * mean);
      running_var = static_cast<float>((1 - momentum) * static_cast<double>(running_var) +
                                       momentum * variance * (count / (count - 1)));
      return std::pair(mean, variance);
    });
  }

  PlaneCoefficients coefficients(const float* saved, const float* factors, std::int64_t cb) const {
    PlaneCoefficients k;
    k.a = at(saved, kA, cb);
    k.b = at(saved, kB, cb);
    k.mean = at(saved, kMean, cb);
    if (layer_.slope >= 0) k.slope = at(saved, kSlope, cb);
    if (factors) {
      k.c1 = factors + cb * block_;
      k.c2 = factors + (cb_ + cb) * block_;
    }
    return k;
  }

  void apply(const ForwardCall& call, const float* saved, std::int64_t sample, std::int64_t cb) const {
    const std::int64_t offset = (sample * cb_ + cb) * plane_floats();
    backend_.kernels().forward(
        floats(call.x) + offset, call.residual ? floats(call.residual) + offset : nullptr,
        static_cast<float*>(call.y) + offset, pixels_, coefficients(saved, nullptr, cb));
  }

  /// Weight gradients of one block, from its totals, and the factors c1, c2 of its dx, from those of the whole batch, which has
  /// `count` values a channel.
  void finish_sums(std::int64_t cb, const double* totals, const double* whole, double count,
                   const float* saved, float* factors) const {
    float* const c1 = factors + cb * block_;
    float* const c2 = factors + (cb_ + cb) * block_;
    for (std::int64_t c = 0; c < block_; ++c) c1[c] = c2[c] = 0;
    if (!layer_.batch_norm && layer_.slope < 0) return;
    for (std::int64_t c = 0; c < real(cb); ++c) {
      const std::int64_t channel = cb * block_ + c;
      const std::int64_t width = cb_ * block_;
      const double s1 = totals[channel], s2 = totals[width + channel];
      if (layer_.slope >= 0)
        parameter(layer_.slope, TensorRole::kGradient)[channel] =
            static_cast<float>(totals[2 * width + channel]);
      if (!layer_.batch_norm) continue;
      const double inverse = static_cast<double>(at(saved, kInvStd, cb)[c]),
                   a = static_cast<double>(at(saved, kA, cb)[c]);
      parameter(layer_.weight, TensorRole::kGradient)[channel] = static_cast<float>(s2 * inverse);
      parameter(layer_.bias, TensorRole::kGradient)[channel] = static_cast<float>(s1);
      if (!batch_statistics()) continue;
      c1[c] = static_cast<float>(-a * inverse * inverse * whole[width + channel] / count);
      c2[c] = static_cast<float>(-a * whole[channel] / count);
    }
  }

  const CpuBackend& backend_;
  ParameterStore& parameters_;
  Layer layer_;
  Mode mode_;
  std::int64_t n_ = 0, channels_ = 0, pixels_ = 0, block_ = 8, cb_ = 0;
};

}  // namespace

std::unique_ptr<CompiledLayer> make_pointwise(const CpuBackend& backend, const LoweredGraph& graph,
                                              const Layer& layer, ParameterStore& parameters,
                                              const CompileOptions& options) {
  return std::make_unique<PointwiseLayer>(backend, graph, layer, parameters, options);
}

}  // namespace qcface::nn::cpu
