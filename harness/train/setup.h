// From flags to a settled run: configuration file, checkpoint to resume from, device, run folder.
#pragma once

#include <filesystem>
#include <optional>

#include "core/device.h"
#include "harness/train/checkpoint.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// Merges --config or the configuration of the checkpoint named by --resume into the options the command line
/// left alone, and checks the result. Returns the checkpoint to resume from, if any. Throws Error naming the flag
/// when the command line changes what a resumed run must keep.
std::optional<CheckpointFacts> settle_options(OptionTable& table, TrainOptions& options);

/// What config.json and checkpoints store: every option but --config and --resume. `qcface train --config
/// config.json` repeats the run.
OptionTable::Json run_configuration(const OptionTable& table);

/// Settles --device: says in one line what is used and why. Throws Error for cuda without a GPU, and for a precision that
/// the device does not have.
DeviceKind choose_device(const TrainOptions& options);

/// Makes the run folder. Throws Error when it holds the checkpoints of another run and this one does not resume.
void prepare_run_folder(const std::filesystem::path& run, bool resuming);

/// Compute threads that --threads 0 stands for.
int compute_threads(const TrainOptions& options);

}  // namespace qcface::train
