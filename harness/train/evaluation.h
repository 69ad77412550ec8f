// Verification and degradation measured inside a training run.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "harness/eval/verify.h"
#include "harness/model/model.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// A folder of --eval-data: pairs.list and its pictures.
struct EvalSet {
  std::string name;  // the folder's own name, with as much of its path as it takes to be the only one
  std::filesystem::path folder;
  data::PairList pairs;
};

/// Names for folders that differ: "val", or "lfw-val" and "cfp-val" where two end alike.
std::vector<std::string> unique_set_names(std::span<const std::filesystem::path> folders);

/// Reads every --eval-data folder, and the list of --degrade-data, before training begins, so that a mistake shows at
/// once. Throws Error naming it: no list, a picture that is missing, pairs of one kind only, a folder given twice.
std::vector<EvalSet> read_eval_sets(const TrainOptions& options);

/// How evaluation prepares pictures: as the run does.
eval::ExtractOptions extract_options(const TrainOptions& options);

/// Embeds and measures one set with the network's present weights.
eval::VerifyResult verify_set(nn::Network& network, const EvalSet& set, const TrainOptions& options);

/// Results of the end of a run: eval/ of the run folder (first set: verify.json, roc.csv, roc.svg; further sets in
/// folders of their name; degradation.json). Logs the tables. False if any of them failed, which the log explains; the
/// others are written all the same. Throws Interrupted.
bool write_final_evaluation(nn::Network& network, const std::vector<EvalSet>& sets,
                            const TrainOptions& options, const std::filesystem::path& run,
                            const std::string& weights, const std::string& device);

}  // namespace qcface::train
