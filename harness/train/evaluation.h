// Protocols measured inside a training run: verification of folders and packs, any other, and degradation at the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "harness/eval/protocol.h"
#include "harness/model/model.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// An entry of --eval-data: a folder with pairs.list and its pictures, a verification pack, or another protocol's data
/// (eval::measurement_from_text()).
struct EvalSet {
  std::string name;  // the folder's own name, with as much of its path as it takes to be the only one
  const eval::Protocol* protocol = nullptr;
  std::unique_ptr<eval::Measurement> measurement;  // its lists were read
  eval::FlipFusion flip = eval::FlipFusion::kNone;
  // What verify_set() found last, and after which step. The final evaluation writes it and does not measure again.
  std::optional<eval::Result> found;
  std::int64_t found_at = -1;
};

/// Names for folders or packs that differ: "val", or "lfw-val" and "cfp-val" where two end alike.
std::vector<std::string> unique_set_names(std::span<const std::filesystem::path> folders);

/// Reads every --eval-data folder or pack, and the list of --degrade-data, before training begins, so that a mistake shows at
/// once. Throws Error naming it: no list, a picture that is missing, pairs of one kind only, a folder given twice.
std::vector<EvalSet> read_eval_sets(const TrainOptions& options);

/// How evaluation prepares pictures: as the run does. The ranks share them out.
eval::ExtractOptions extract_options(const TrainOptions& options, Communicator& communicator);

/// What --best-by names: a figure, of one set or the mean of those that have it, and which way is better.
struct BestBy {
  std::string set, figure = "accuracy";
  bool smallest = false;
};
/// "FIGURE", "SET/FIGURE", either with ":min" behind it. Throws UsageError for a set that is not among them.
BestBy best_by_from_text(const std::string& text, std::span<const EvalSet> sets);
/// Of what was found last. Nothing, with a warning that lists the figures there are, where no set has it.
std::optional<double> best_figure(const BestBy& best, std::span<const EvalSet> sets);

/// Embeds and measures one set with the network's present weights, those after `global_step`. Every rank finds the same.
const eval::Result& verify_set(nn::Network& network, EvalSet& set, const TrainOptions& options,
                               std::int64_t global_step, Communicator& communicator);

/// Results of the end of a run: eval/ of the run folder (first set: NAME.json, its sheets and figures; further sets in
/// folders of their name; degradation.json). Logs the tables. False if any of them failed, which the log explains; the
/// others are written all the same. The leading rank writes and logs. Throws Interrupted.
bool write_final_evaluation(nn::Network& network, std::vector<EvalSet>& sets, const TrainOptions& options,
                            const std::filesystem::path& run, const std::string& weights,
                            const std::string& device, std::int64_t global_step, Communicator& communicator);

}  // namespace qcface::train
