// One training step, whatever runs it: forward, head, backward, optimiser. The trainer knows batches, positions, logs and
// checkpoints; an engine knows a device. An engine may hand a step's figures back only when a later step has been
// started, so that the host never waits for the device it feeds.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "core/communicator.h"
#include "harness/data/loader.h"
#include "harness/train/head.h"
#include "nn/network.h"
#include "nn/sgd.h"

namespace qcface::train {

/// Position and rate of a step.
struct StepOrder {
  std::int64_t epoch = 0, batch = 0;  // 0-based; batch inside the epoch
  std::int64_t size = 0;              // N
  double lr = 0;
  double wait_seconds = 0;  // that data had kept it waiting
};

struct FinishedStep {
  StepOrder order;
  HeadStep head;  // spans live until the engine's next call
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

/// Parts of a step in the order they begin; kEnd: the last one has ended.
enum class StepPart { kForward, kHead, kBackward, kUpdate, kHeadUpdate, kEnd };

class StepEngine {
 public:
  virtual ~StepEngine() = default;
  virtual std::string description() const = 0;  // "cpu, 2 threads, fp32"
  virtual const char* device() const = 0;       // "cpu" or "cuda"
  /// Whether batches must come as 8-bit pixels rather than as normalised images.
  virtual bool takes_pixels() const = 0;
  virtual nn::Network& network() = 0;

  /// Takes over weights, momentum and t of the head (after they were loaded or initialised).
  virtual void upload(Head& head) = 0;
  /// Brings weights, momentum and t of the head up to date (before they are saved). Nothing may be pending.
  virtual void download(Head& head) = 0;

  /// The loss scale after the steps handed back, to be saved and, before the first step, restored.
  virtual LossScaleState loss_scale() const { return {}; }
  virtual void set_loss_scale(const LossScaleState&) {}

  /// Starts a step; the batch may be reused when this returns. Returns the oldest step that is finished, if there is one.
  /// Throws NotFinite, which may speak of an earlier step.
  virtual std::optional<FinishedStep> step(const data::Batch& batch, const StepOrder& order) = 0;
  /// Waits for the oldest step that is still pending; empty if there is none.
  virtual std::optional<FinishedStep> finish() = 0;
  /// Steps started whose figures were not handed back.
  virtual int pending() const = 0;

  /// Called where a part begins while a step is enqueued on `stream` (a cudaStream_t), so that the observer can enqueue
  /// marks of its own; what it enqueues becomes part of the step. An empty function takes them out again. Engines that
  /// finish a step in step() have no such places and ignore it. Nothing may be pending.
  using PartObserver = std::function<void(StepPart begins, void* stream)>;
  virtual void observe_parts(PartObserver) {}
};

struct EngineOptions {
  nn::Precision precision = nn::Precision::kFp32;
  int gpu = 0;
  int threads = 0;  // CPU
  std::uint64_t seed = 0;
  float momentum = 0.9f;
  float weight_decay = 5e-4f;
  int accumulate = 1;  // parts that a batch is computed in
  HeadOptions head;
  std::array<double, 3> mean = data::kQcfaceMean;
  std::array<double, 3> std = data::kQcfaceStd;
};

/// `head` is borrowed: on the CPU it is where the class weights live and learn.
std::unique_ptr<StepEngine> make_cpu_engine(const nn::Graph& graph, const EngineOptions& options, Head& head,
                                            Communicator& communicator);
/// Throws Error where there is no usable GPU or no CUDA in this build.
std::unique_ptr<StepEngine> make_cuda_engine(const nn::Graph& graph, const EngineOptions& options,
                                             Head& head);

}  // namespace qcface::train
