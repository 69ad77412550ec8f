// From flags to a settled run: configuration file, checkpoint to resume from, device, run folder.
#pragma once

#include <optional>

#include "core/comm/communicator.h"
#include "harness/train/checkpoint.h"
#include "harness/train/run_lock.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// A run whose options are complete and whose folder is this process's alone.
struct SettledRun {
  std::optional<RunLock> lock;  // of the run folder, to be kept until the run ends; the leading rank has it
  std::optional<CheckpointFacts> resume;
};

/// Merges --config or the configuration of the checkpoint named by --resume into the options the command line
/// left alone, and what --weight_path needs of pictures and network, checks the result, locks the run folder (before a checkpoint is looked for in it) and tries whether it can
/// be written. Throws Error naming the flag when the command line changes what a resumed run must keep, when the
/// folder is another process's, or holds the checkpoints of another run.
/// Of several ranks the leading one does all that; the others wait, and follow it to the checkpoint that it chose.
SettledRun settle_run(OptionTable& table, TrainOptions& options, Communicator& communicator);

/// What config.json and checkpoints store: every option but --config and --resume. `qcface train --config
/// config.json` repeats the run.
OptionTable::Json run_configuration(const OptionTable& table);

}  // namespace qcface::train
