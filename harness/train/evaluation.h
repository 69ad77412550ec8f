// Verification and degradation measured inside a training run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/eval/verify.h"
#include "harness/model/model.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// A folder of --eval-data: pairs.list and its pictures.
struct EvalSet {
  std::string name;  // the folder's own name
  std::filesystem::path folder;
  data::PairList pairs;
};

/// Reads every --eval-data folder before training begins, so that a mistake shows at once.
std::vector<EvalSet> read_eval_sets(const TrainOptions& options);

/// How evaluation prepares pictures: as the run does.
eval::ExtractOptions extract_options(const TrainOptions& options);

/// Embeds and measures one set with the network's present weights.
eval::VerifyResult verify_set(nn::Network& network, const EvalSet& set, const TrainOptions& options);

/// Results of the end of a run: eval/ of the run folder (first set: verify.json, roc.csv, roc.svg; further sets in
/// folders of their name; degradation.json). Logs the tables.
void write_final_evaluation(nn::Network& network, const std::vector<EvalSet>& sets,
                            const TrainOptions& options, const std::filesystem::path& run,
                            const std::string& weights, const std::string& device);

}  // namespace qcface::train
