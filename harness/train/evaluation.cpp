#include "harness/train/evaluation.h"

#include <algorithm>
#include <functional>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "harness/console/progress.h"
#include "harness/eval/commands.h"
#include "harness/eval/degradation.h"
#include "harness/eval/results.h"
#include "harness/eval/verify.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvalBatch = 64;

fs::path levels_file(const TrainOptions& options) { return fs::path(options.degrade_data) / "levels.csv"; }

// Runs one of the final evaluations; false, with a warning, if it failed.
bool succeeds(const std::string& what, const std::function<void()>& evaluate) {
  try {
    evaluate();
    return true;
  } catch (const Error& error) {
    log::warn("{} failed: {}; the checkpoints are good, see `qcface eval`", what, error.what());
    return false;
  }
}

}  // namespace

std::vector<std::string> unique_set_names(std::span<const fs::path> folders) {
  std::vector<std::vector<std::string>> parts;  // of each path, the last one first
  for (const fs::path& folder : folders) {
    std::error_code error;
    std::vector<std::string>& words = parts.emplace_back();
    for (const fs::path& part : fs::absolute(folder, error).lexically_normal().relative_path()) {
      if (!part.empty()) words.insert(words.begin(), part.string());
    }
    if (words.empty()) words.emplace_back("root");  // "/" itself
  }
  std::vector<std::size_t> depth(folders.size(), 1);
  std::vector<std::string> names(folders.size());
  for (bool again = true; again;) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      names[i] = parts[i][0];
      for (std::size_t d = 1; d < std::min(depth[i], parts[i].size()); ++d)
        names[i] = parts[i][d] + "-" + names[i];
      // Paths that differ can still give one name ("a-b/c" and "a/b/c"): a number ends that.
      if (depth[i] > parts[i].size()) names[i] += fmt::format("-{}", i + 1);
    }
    again = false;
    const std::vector<std::string> before = names;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (std::count(before.begin(), before.end(), before[i]) < 2 || depth[i] > parts[i].size()) continue;
      ++depth[i];
      again = true;
    }
  }
  return names;
}

std::vector<EvalSet> read_eval_sets(const TrainOptions& options) {
  std::vector<EvalSet> sets;
  const std::vector<fs::path> folders(options.eval_data.begin(), options.eval_data.end());
  const std::vector<std::string> names = unique_set_names(folders);
  std::error_code error;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      require(!fs::equivalent(folders[i], folders[j], error),
              "--eval-data {}: is the same folder as {}: give it once", folders[i].string(),
              folders[j].string());
    }
    const fs::path list = folders[i] / "pairs.list";
    require(fs::exists(list, error), "--eval-data {}: no pairs.list in it", folders[i].string());
    sets.push_back({names[i], folders[i], data::read_pairs(list, folders[i])});
    eval::require_measurable(sets.back().pairs,
                             fmt::format("--eval-data {}: pairs.list", folders[i].string()));
  }
  if (!options.degrade_data.empty()) {
    require(fs::exists(levels_file(options), error), "--degrade-data {}: no levels.csv in it",
            options.degrade_data);
    eval::read_degradation_set(levels_file(options));
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
  extract.non_square = options.non_square;
  return extract;
}

eval::VerifyResult verify_set(nn::Network& network, const EvalSet& set, const TrainOptions& options) {
  model::NetworkEmbedder embedder(network, kEvalBatch);
  Progress progress("verifying " + set.name, set.pairs.images.size(), "pictures");
  eval::ExtractOptions extract = extract_options(options);
  extract.progress = [&](std::size_t done, std::size_t) { progress.update(done); };
  return eval::verify(embedder, set.pairs, extract);
}

bool write_final_evaluation(nn::Network& network, const std::vector<EvalSet>& sets,
                            const TrainOptions& options, const fs::path& run, const std::string& weights,
                            const std::string& device) {
  model::NetworkEmbedder embedder(network, kEvalBatch);
  bool good = true;
  for (const EvalSet& set : sets) {
    eval::VerifyOptions verify;
    verify.pairs = set.folder / "pairs.list";
    verify.images = set.folder;
    verify.out = &set == &sets.front() ? run / "eval" : run / "eval" / set.name;
    verify.extract = extract_options(options);
    verify.conditions = {{"set", set.name}, {"weights", weights}, {"arch", options.arch}, {"device", device}};
    good &= succeeds("the final verification on " + set.name, [&] {
      const eval::VerifyResult result = eval::run_eval_verify(embedder, verify);
      log::info("verification on {} ({})\n{}", set.name, set.folder.string(), eval::format_table(result));
    });
  }
  if (options.degrade_data.empty()) return good;
  eval::DegradationOptions degradation;
  degradation.levels = levels_file(options);
  degradation.out = run / "eval";
  degradation.extract = extract_options(options);
  degradation.conditions = {{"weights", weights}, {"arch", options.arch}, {"device", device}};
  return succeeds("the measurement of magnitude against degradation",
                  [&] {
                    const eval::DegradationResult result = eval::run_eval_degradation(embedder, degradation);
                    log::info("magnitude against degradation\n{}", eval::format_table(result));
                  }) &&
         good;
}

}  // namespace qcface::train
