// Checkpoints of a training run: everything that a resumed run needs to give the same bits as one that was never
// stopped. Random numbers are keyed by (seed, purpose, epoch, index), so the position is their whole state.
//
// A checkpoint is a file, or a folder of files that several ranks wrote, of the same name. Metadata: format, arch, config (resolved options, JSON), state (RunState, JSON). Which files a run folder holds of
// them: checkpoint_files.h.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "harness/train/state.h"
#include "nn/head/head.h"
#include "nn/network.h"

namespace qcface::train {

inline constexpr const char* kCheckpointFormat = "qcface-checkpoint-1";

/// What is read without touching tensors.
struct CheckpointFacts {
  std::filesystem::path path;
  std::string arch;
  nlohmann::ordered_json config;
  RunState state;
};
/// Throws Error naming the file: not a checkpoint of this program, or damaged.
CheckpointFacts read_checkpoint_facts(const std::filesystem::path& path);

/// A tensor of a checkpoint holds NaN or infinity.
class NotFiniteTensor : public Error {
 public:
  using Error::Error;
};
/// Writes atomically. Throws NotFiniteTensor naming it, and writes nothing, when a tensor holds NaN or infinity.
/// Of several ranks, which all call it, each writes its own classes, and the path is a folder with an index
/// (core/tensors/sharded.h); it appears whole when all are done.
void save_checkpoint(const std::filesystem::path& path, nn::Network& network, const nn::Head& head,
                     const std::string& arch, const nlohmann::ordered_json& config, const RunState& state,
                     Communicator& communicator);

/// Copies weights, running statistics, slots, the rank's class weights and the head's state in. A checkpoint of any number of
/// ranks; that of as many gives each its own running statistics back, another their mean.
void load_checkpoint(const std::filesystem::path& path, nn::Network& network, nn::Head& head,
                     const Communicator& communicator);

}  // namespace qcface::train
