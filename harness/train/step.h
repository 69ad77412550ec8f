// One training step, written once for every backend: forward, head, backward, optimiser, all in the backend's memory and
// enqueued without looking at a value. What reads its results later finds the weights as they were before a step that gave
// NaN or infinity (nn/step_control.h).
//
// In parts (--accumulate) the network sees the batch piece by piece, so that memory holds the activations of one piece: all
// pieces forward, the head once over the whole batch, then backward piece by piece, each but the last with its forward pass
// anew. Losses, the head's state and its update have the bits of the whole batch wherever the embeddings have (batch norm
// takes its statistics from a piece); the backbone's gradient is the sum of the pieces', the last one first.
//
// Several ranks share the rows of a batch and the classes out (nn/head/exchange.h), and sum the backbone's gradient while the
// (last) backward pass runs (gradient_exchange.h). The sizes below that speak of n mean the whole batch; a rank reads its
// share_of(n) rows of it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "core/comm/communicator.h"
#include "harness/train/gradient_exchange.h"
#include "nn/head/head.h"
#include "nn/network.h"

namespace qcface::train {

/// Parts of a step in the order they begin; kEnd: the last one has ended.
enum class StepPart { kForward, kHead, kBackward, kUpdate, kHeadUpdate, kEnd };

/// What a step leaves for the host, before lengths, probabilities and ranks [largest] of the rows.
struct StepFigures {
  double losses[3] = {};
  nn::StepControl control;
};

class TrainStep {
 public:
  /// `normalisation` [3, 256]: value of each pixel in each channel. Batches have up to `largest` rows, of which a rank
  /// computes its own in up to `parts` pieces of at least two. All references are borrowed.
  TrainStep(nn::Backend& backend, nn::Network& network, nn::Head& head,
            const nn::OptimiserSettings& optimiser, std::span<const float> normalisation,
            std::int64_t largest, int parts, Communicator& communicator,
            const ExchangeOptions& exchange = {});

  /// Writes what the step of a batch of n rows is told, at `inputs` in host memory; the first input_bytes(n) are then to be
  /// sent. dropout: of this rank's first row; it also keys which classes take part, where not all do, for which the ranks
  /// exchange their labels: they call this together.
  void fill(std::byte* inputs, double rate, const nn::DropoutRecord& dropout,
            std::span<const std::int64_t> labels, const std::uint8_t* pixels, std::int64_t n) const;
  std::size_t input_bytes(std::int64_t n) const;
  /// Of any batch: a smaller one may give a rank a row more than the largest does.
  std::size_t most_input_bytes() const;
  const std::uint8_t* pixels_of(const std::byte* inputs) const;
  const nn::DropoutRecord& dropout_of(const std::byte* inputs, std::int64_t part) const;

  /// A rank's rows of a batch are computed in so many parts, and these are a part's, counted from the rank's first.
  std::int64_t parts_of(std::int64_t n) const;
  Share part_of(std::int64_t part, std::int64_t n) const;

  /// Where a step leaves its results: StepFigures and rows.
  const std::byte* results() const { return results_.data(); }
  std::size_t result_bytes() const { return results_.bytes(); }
  /// The rows of results that lie at `results`, here or on the host.
  nn::HeadFigures figures_of(const std::byte* results) const;

  /// The loss scale to begin with (fp16 only). Nothing may be under way.
  void set_loss_scale(const nn::LossScaleRecord& scale);
  bool scales_loss() const { return backend_.precision() == nn::Precision::kFp16; }

  /// Compiles for n rows; true if memory was moved that earlier steps pointed at.
  bool prepare(std::int64_t n);
  /// Enqueues the step; `inputs` in the backend's memory.
  void run(const std::byte* inputs, std::int64_t n);
  /// Forward passes and head of a step once more; returns dx of this rank's rows.
  const float* head_gradient(const std::byte* inputs, std::int64_t n);

  /// Null with one rank.
  const GradientExchange* exchange() const { return exchange_.get(); }

  /// Called where a part begins while a step is enqueued on `stream` (a cudaStream_t, or null), so that the observer can
  /// enqueue marks of its own.
  using PartObserver = std::function<void(StepPart begins, void* stream)>;
  void observe_parts(PartObserver observer) { observer_ = std::move(observer); }

 private:
  std::size_t sampled_at() const;
  std::size_t pixels_at() const;
  void fill_sampled(std::byte* inputs, const nn::DropoutRecord& key, std::span<const std::int64_t> labels,
                    std::int64_t n) const;
  Share own(std::int64_t n) const { return share_of(n, communicator_.rank(), communicator_.size()); }
  void enqueue(const std::byte* inputs, std::int64_t n);
  void begin(StepPart part) const;
  void forward(const std::byte* inputs, std::int64_t part, std::int64_t n);
  const float* ask_head(const std::byte* inputs, std::int64_t n);
  /// Returns the gradient of the backbone, of this rank's rows; with several ranks its sum is under way.
  float* backward(const std::byte* inputs, const float* dx, std::int64_t n);

  nn::Backend& backend_;
  nn::Network& network_;
  nn::Head& head_;
  nn::OptimiserSettings optimiser_;
  Communicator& communicator_;
  std::int64_t largest_;
  int parts_;
  std::size_t picture_bytes_;
  nn::Memory table_, results_, sum_, statistics_;  // the last two with more than one part
  std::unique_ptr<GradientExchange> exchange_;     // with more than one rank
  const void* arena_ = nullptr;
  PartObserver observer_;
};

}  // namespace qcface::train
