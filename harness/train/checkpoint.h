// Checkpoints of a training run: everything that a resumed run needs to give the same bits as one that was never
// stopped. Random numbers are keyed by (seed, purpose, epoch, index), so the position is their whole state.
//
// Metadata: format, arch, config (resolved options, JSON), state (RunState, JSON). Which files a run folder holds of
// them: checkpoint_files.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "nn/head/head.h"
#include "nn/network.h"

namespace qcface::train {

inline constexpr const char* kCheckpointFormat = "qcface-checkpoint-1";

/// Sums over the epoch so far, so that a resumed epoch reports what the whole epoch did.
struct EpochSums {
  std::int64_t pictures = 0;
  double loss = 0, loss_id = 0, loss_g = 0;  // weighted by pictures
  std::int64_t top1 = 0, top5 = 0;
  double z_sum = 0, z_min = 0, z_max = 0;
};

/// Where the run stands and what it has found.
struct RunState {
  std::int64_t epoch = 0;        // 0-based epoch of the next step
  std::int64_t batch = 0;        // index of the next batch inside it
  std::int64_t global_step = 0;  // steps done
  EpochSums sums;
  std::int64_t classes = 0;
  std::int64_t pictures = 0;  // in the training set
  std::string class_list;     // hashes of class_list.h; empty: an older version saved it
  std::string picture_list;
  int threads = 0;                    // compute threads: part of the promise of equal bits
  double loss_scale = 0;              // fp16 on CUDA; 0: none
  std::int64_t loss_scale_steps = 0;  // good steps since it changed
  std::optional<double> best;         // best value of the criterion so far
  std::int64_t best_step = -1;        // where it was reached; -1: unknown
  std::string criterion;              // what `best` measures
  bool unverified = false;            // saved at an epoch's end, its verification still to be done
};

nlohmann::ordered_json to_json(const RunState& state);
/// Throws Error naming the entry that is missing or of another type.
RunState run_state_from_json(const nlohmann::json& json);

/// What is read without touching tensors.
struct CheckpointFacts {
  std::filesystem::path path;
  std::string arch;
  nlohmann::ordered_json config;
  RunState state;
};
/// Throws Error naming the file: not a checkpoint of this program, or damaged.
CheckpointFacts read_checkpoint_facts(const std::filesystem::path& path);

/// Writes atomically. Throws Error, and writes nothing, when a tensor holds NaN or infinity (naming it).
void save_checkpoint(const std::filesystem::path& path, nn::Network& network, const nn::Head& head,
                     const std::string& arch, const nlohmann::ordered_json& config, const RunState& state);

/// Copies weights, running statistics, slots, class weights and the head's state in.
void load_checkpoint(const std::filesystem::path& path, nn::Network& network, nn::Head& head);

}  // namespace qcface::train
