// Verification and degradation measured inside a training run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/eval/protocol.h"
#include "harness/model/model.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// An entry of --eval-data: a folder with pairs.list and its pictures, or a verification pack.
struct EvalSet {
  std::string name;  // the folder's own name, with as much of its path as it takes to be the only one
  std::unique_ptr<eval::Measurement> measurement;  // its list was read
  // What verify_set() found last, and after which step. The final evaluation writes it and does not measure again.
  std::optional<eval::Result> found;
  std::int64_t found_at = -1;
};

/// Names for folders or packs that differ: "val", or "lfw-val" and "cfp-val" where two end alike.
std::vector<std::string> unique_set_names(std::span<const std::filesystem::path> folders);

/// Reads every --eval-data folder or pack, and the list of --degrade-data, before training begins, so that a mistake shows at
/// once. Throws Error naming it: no list, a picture that is missing, pairs of one kind only, a folder given twice.
std::vector<EvalSet> read_eval_sets(const TrainOptions& options);

/// How evaluation prepares pictures: as the run does.
eval::ExtractOptions extract_options(const TrainOptions& options);

/// Embeds and measures one set with the network's present weights, those after `global_step`.
const eval::Result& verify_set(nn::Network& network, EvalSet& set, const TrainOptions& options,
                               std::int64_t global_step);

/// Results of the end of a run: eval/ of the run folder (first set: verify.json, roc.csv, roc.svg; further sets in
/// folders of their name; degradation.json). Logs the tables. False if any of them failed, which the log explains; the
/// others are written all the same. Throws Interrupted.
bool write_final_evaluation(nn::Network& network, std::vector<EvalSet>& sets, const TrainOptions& options,
                            const std::filesystem::path& run, const std::string& weights,
                            const std::string& device, std::int64_t global_step);

}  // namespace qcface::train
