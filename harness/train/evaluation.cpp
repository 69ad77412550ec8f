#include "harness/train/evaluation.h"

#include "core/error.h"
#include "core/log.h"
#include "harness/console/progress.h"
#include "harness/eval/commands.h"
#include "harness/eval/results.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvalBatch = 64;

fs::path levels_file(const TrainOptions& options) { return fs::path(options.degrade_data) / "levels.csv"; }

}  // namespace

std::vector<EvalSet> read_eval_sets(const TrainOptions& options) {
  std::vector<EvalSet> sets;
  for (const std::string& folder : options.eval_data) {
    const fs::path list = fs::path(folder) / "pairs.list";
    require(fs::exists(list), "--eval-data {}: no pairs.list in it", folder);
    fs::path own = fs::path(folder).lexically_normal();
    if (own.filename().empty()) own = own.parent_path();
    sets.push_back({own.filename().string(), folder, data::read_pairs(list, folder)});
  }
  if (!options.degrade_data.empty()) {
    require(fs::exists(levels_file(options)), "--degrade-data {}: no levels.csv in it", options.degrade_data);
  }
  return sets;
}

eval::ExtractOptions extract_options(const TrainOptions& options) {
  eval::ExtractOptions extract;
  extract.batch_size = kEvalBatch;
  extract.workers = options.workers;
  extract.mean = options.mean;
  extract.std = options.std;
  extract.swap_rb = options.swap_rb;
  extract.non_square =
      options.non_square == "reject" ? data::NonSquare::kReject : data::NonSquare::kCentreCrop;
  return extract;
}

eval::VerifyResult verify_set(nn::Network& network, const EvalSet& set, const TrainOptions& options) {
  model::NetworkEmbedder embedder(network, kEvalBatch);
  Progress progress("verifying " + set.name, set.pairs.images.size(), "pictures");
  eval::ExtractOptions extract = extract_options(options);
  extract.progress = [&](std::size_t done, std::size_t) { progress.update(done); };
  return eval::verify(embedder, set.pairs, extract);
}

void write_final_evaluation(nn::Network& network, const std::vector<EvalSet>& sets,
                            const TrainOptions& options, const fs::path& run, const std::string& weights,
                            const std::string& device) {
  model::NetworkEmbedder embedder(network, kEvalBatch);
  for (const EvalSet& set : sets) {
    eval::VerifyOptions verify;
    verify.pairs = set.folder / "pairs.list";
    verify.images = set.folder;
    verify.out = &set == &sets.front() ? run / "eval" : run / "eval" / set.name;
    verify.extract = extract_options(options);
    verify.conditions = {{"weights", weights}, {"arch", options.arch}, {"device", device}};
    const eval::VerifyResult result = eval::run_eval_verify(embedder, verify);
    log::info("verification on {}\n{}", set.folder.string(), eval::format_table(result));
  }
  if (options.degrade_data.empty()) return;
  eval::DegradationOptions degradation;
  degradation.levels = levels_file(options);
  degradation.out = run / "eval";
  degradation.extract = extract_options(options);
  degradation.conditions = {{"weights", weights}, {"arch", options.arch}, {"device", device}};
  const eval::DegradationResult result = eval::run_eval_degradation(embedder, degradation);
  log::info("magnitude against degradation\n{}", eval::format_table(result));
}

}  // namespace qcface::train
