// The training run: data, backbone, head, optimiser, checkpoints, evaluation, in one loop over steps.
#pragma once

#include <optional>

#include "core/comm/communicator.h"
#include "harness/train/checkpoint.h"
#include "harness/train/train_options.h"

namespace qcface::train {

struct TrainResult {
  bool interrupted = false;        // by a signal; what was trained is saved
  bool evaluation_failed = false;  // one of those at the end; the weights are good
};

/// Runs from the start or from `resume` to the end, to --max-steps, or to a signal, and leaves the run folder
/// complete in each case; its lock is the caller's (settle_run()). `config` is what run_configuration() gave. Throws Error
/// for bad input, pictures that are gone, a full disk, having saved the steps done where it can; and for NaN or infinity
/// (naming the first tensor and layer), where the last checkpoint before it stays. Throws Interrupted for a signal before
/// the first step.
TrainResult run_training(const TrainOptions& options, const OptionTable::Json& config,
                         const std::optional<CheckpointFacts>& resume, Communicator& communicator);

}  // namespace qcface::train
