// What trains: a network and a head on a backend, and the steps under way. The trainer knows batches, positions, logs and
// checkpoints; the engine hands a step's figures back when a later step may have been started already, so that the host
// never waits for the device it feeds.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/data/loader.h"
#include "harness/data/normalise.h"
#include "harness/train/step.h"

namespace qcface::train {

/// Position and rate of a step.
struct StepOrder {
  std::int64_t epoch = 0, batch = 0;  // 0-based; batch inside the epoch
  std::int64_t size = 0;              // N, of all ranks
  double lr = 0;
  double wait_seconds = 0;  // that data had kept it waiting
};

/// What the head found in a step. Spans live until the engine's next call.
struct HeadStep {
  double loss = 0, loss_id = 0, loss_g = 0;
  std::int64_t top1 = 0, top5 = 0;            // rows whose label is the best, or among the five best classes
  std::span<const float> lengths;             // [N] magnitudes
  std::span<const float> target_probability;  // [N] p
};

struct FinishedStep {
  StepOrder order;
  HeadStep head;
};

/// Dynamic loss scale of fp16; 0: none.
struct LossScaleState {
  float scale = 0;
  std::uint32_t good_steps = 0;  // since the last change
};

/// NaN or infinity in a step. The weights are those from before it.
struct NotFinite : std::runtime_error {
  NotFinite(const StepOrder& o, const std::string& what_found, const std::string& first)
      : std::runtime_error(what_found), order(o), found(what_found), where(first) {}
  StepOrder order;
  std::string found;  // "the embeddings"
  std::string where;  // first tensor that is not finite, a sentence; empty: the backbone is fine
};

struct EngineOptions {
  std::uint64_t seed = 0;
  nn::OptimiserSettings optimiser;
  qcf_head_config head{};
  std::int64_t classes = 0;        // of all ranks
  std::int64_t largest_batch = 0;  // likewise
  int accumulate = 1;              // parts that a batch is computed in
  bool sync_bn = false;            // batch norm's statistics are those of all ranks' pictures
  double sample_rate = 1;          // share of a rank's classes that take part in a step
  data::Preparation preparation;   // its mean and std
  ExchangeOptions exchange;
};

class Engine {
 public:
  /// `communicator` must outlive the engine.
  Engine(std::unique_ptr<nn::Backend> backend, const nn::Graph& graph, const EngineOptions& options,
         Communicator& communicator);

  const nn::Backend& backend() const { return *backend_; }
  nn::Network& network() { return network_; }
  nn::Head& head() { return head_; }
  /// How the ranks exchange the backbone's gradient; null with one rank.
  const GradientExchange* exchange() const { return step_.exchange(); }

  /// The loss scale after the steps handed back, to be saved and, before the first step, restored.
  LossScaleState loss_scale() const { return scale_; }
  void set_loss_scale(const LossScaleState& state);

  /// Starts a step on the batch's pixels; the batch may be reused when this returns. Returns the oldest step that is
  /// finished, if there is one. Throws NotFinite, which may speak of an earlier step.
  std::optional<FinishedStep> step(const data::Batch& batch, const StepOrder& order);
  /// Waits for the oldest step that is still pending; empty if there is none.
  std::optional<FinishedStep> finish();
  /// Steps started whose figures were not handed back.
  int pending() const { return static_cast<int>(pending_.size()); }

  /// Nothing may be pending. What the observer enqueues becomes part of the step; an empty function takes it out again.
  void observe_parts(TrainStep::PartObserver observer);

 private:
  FinishedStep oldest();
  void check(const StepOrder& order, const nn::StepQueue::Finished& done);
  [[noreturn]] void stop(const StepOrder& order, const std::byte* inputs, const std::string& found);
  /// Of rows of this rank, normalised [rows, 3, H, W].
  std::vector<float> images(const std::byte* inputs, Share rows) const;

  EngineOptions options_;
  Communicator& communicator_;
  std::unique_ptr<nn::Backend> backend_;
  nn::Network network_;
  nn::Head head_;
  data::Normaliser normaliser_;
  TrainStep step_;
  std::unique_ptr<nn::StepQueue> queue_;
  std::deque<StepOrder> pending_;
  LossScaleState scale_;
};

}  // namespace qcface::train
