// A training run in memory and in its folder: what is trained, on what, with which weights, and how far it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "core/comm/agreement.h"
#include "harness/data/loader.h"
#include "harness/data/sets/picture_source.h"
#include "harness/train/checkpoint.h"
#include "harness/train/divergence.h"
#include "harness/train/engine.h"
#include "harness/train/evaluation.h"
#include "harness/train/state.h"
#include "harness/train/train_options.h"
#include "nn/backend.h"
#include "nn/schedule.h"

namespace qcface::train {

/// Bounds a stop where nothing is to be saved: a batch of a large network takes longer on a CPU than a scheduler may wait.
constexpr int kStopSeconds = 2;

class Run {
 public:
  /// Reads what is trained and verified on, and makes network and head: new, from --weight_path, or as `resume` has them.
  /// Changes nothing in the run folder. The references must outlive it. Throws Error for whatever makes the run impossible.
  Run(const TrainOptions& options, const nn::DeviceChoice& device, const OptionTable::Json& config,
      const std::optional<CheckpointFacts>& resume, Communicator& communicator);

  /// Whether this rank is the one that writes what a run has once.
  bool leads() const { return qcface::leads(communicator); }

  /// The first change of the run folder, when everything that could refuse the run has been tried: the list of classes,
  /// and what lies beyond the checkpoint that is resumed makes way. Logs what is about to run.
  void take_over_folder();

  /// Whether any rank was asked to stop by a signal, which the others then take for their own: the same answer on all of them,
  /// which call it together.
  bool stop_asked();

  /// Steps that the whole run has, those before it was resumed included.
  std::int64_t total_steps() const;

  /// Writes a checkpoint of the present state, and removes those that are too many. Nothing may be pending. Every rank calls it.
  void save();
  bool saved() const;
  /// What to do where the step of that number, at that rate, showed that training diverges.
  std::string advice(std::int64_t step, double lr) const;
  /// Names the last checkpoint as the best (the leading rank does).
  void mark_best() const;
  /// On the way out with an error that is no fault of the weights (pictures gone, a log that cannot be written): keeps the
  /// steps since the last checkpoint; not with several ranks, of which the others are elsewhere. Never throws.
  void save_what_is_there();

  const TrainOptions& options;
  Communicator& communicator;
  const std::filesystem::path folder;
  const int threads;
  std::vector<EvalSet> eval_sets;
  const std::unique_ptr<const data::PictureSource> set;

  Engine engine;
  nn::Network& network;
  data::Loader loader;
  const nn::ScheduleConfig schedule;
  RunState state;
  Trend trend;
  std::filesystem::path last_checkpoint;
  bool weights_good = true;  // false: an error came out of the middle of a step

 private:
  void take_over_files();
  void begin();
  void restore(const CheckpointFacts& facts);

  const OptionTable::Json& config_;
};

}  // namespace qcface::train
