#include "harness/train/evaluation.h"

#include <algorithm>
#include <functional>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "harness/console/progress.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvalBatch = 64;

// A protocol over the folder that an option names, its lists read. Throws Error that begins with the option.
std::unique_ptr<eval::Measurement> measurement_of(const char* protocol, const char* option,
                                                  const fs::path& folder, const char* list) {
  std::error_code error;
  require(fs::exists(folder / list, error) || fs::is_regular_file(folder, error), "{} {}: no {} in it",
          option, folder.string(), list);
  std::unique_ptr<eval::Measurement> measurement = eval::protocol(protocol).make();
  measurement->folder = folder;
  try {
    measurement->read();
    measurement->require_accuracy();
  } catch (const Error& problem) {
    fail("{} {}: {}", option, folder.string(), problem.what());
  }
  return measurement;
}

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
    sets.push_back({names[i], measurement_of("verify", "--eval-data", folders[i], "pairs.list"), {}, -1});
  }
  if (!options.degrade_data.empty()) {
    measurement_of("degradation", "--degrade-data", options.degrade_data, "levels.csv");
  }
  return sets;
}

eval::ExtractOptions extract_options(const TrainOptions& options) {
  eval::ExtractOptions extract;
  extract.batch_size = kEvalBatch;
  extract.workers = options.workers;
  extract.preparation = options.preparation;
  return extract;
}

const eval::Result& verify_set(nn::Network& network, EvalSet& set, const TrainOptions& options,
                               std::int64_t global_step) {
  model::NetworkEmbedder embedder(network, kEvalBatch);
  Progress progress("verifying " + set.name, 1, "pictures");
  eval::ExtractOptions extract = extract_options(options);
  extract.progress = [&](std::size_t done, std::size_t total) { progress.update_of(done, total); };
  eval::NetworkFeatures features(embedder, extract);
  set.found_at = -1;  // should it fail
  set.found = eval::measure(*set.measurement, features);
  require(set.found->figures.contains("accuracy"),
          "{}: too few of its pictures could be read for an accuracy", set.measurement->folder.string());
  set.found_at = global_step;
  return *set.found;
}

bool write_final_evaluation(nn::Network& network, std::vector<EvalSet>& sets, const TrainOptions& options,
                            const fs::path& run, const std::string& weights, const std::string& device,
                            std::int64_t global_step) {
  const eval::Conditions conditions{{"weights", weights}, {"arch", options.arch}, {"device", device}};
  const eval::Protocol& verify = eval::protocol("verify");
  bool good = true;
  for (EvalSet& set : sets) {
    const fs::path out = &set == &sets.front() ? run / "eval" : run / "eval" / set.name;
    eval::Conditions of_set = conditions;
    of_set["set"] = set.name;
    good &= succeeds("the final verification on " + set.name, [&] {
      require_writable_folder(out, "--pth-save-fold");
      if (set.found_at != global_step) verify_set(network, set, options, global_step);
      eval::write_result(out, verify, *set.found, of_set);
      log::info("verification on {} ({})\n{}", set.name, set.measurement->folder.string(),
                eval::screen_text(verify.present(*set.found)));
    });
  }
  if (options.degrade_data.empty()) return good;
  return succeeds(
             "the measurement of magnitude against degradation",
             [&] {
               const eval::Protocol& degradation = eval::protocol("degradation");
               const auto measurement =
                   measurement_of(degradation.name, "--degrade-data", options.degrade_data, "levels.csv");
               model::NetworkEmbedder embedder(network, kEvalBatch);
               eval::NetworkFeatures features(embedder, extract_options(options));
               const eval::Result result = eval::measure(*measurement, features);
               eval::write_result(run / "eval", degradation, result, conditions);
               log::info("magnitude against degradation\n{}", eval::screen_text(degradation.present(result)));
             }) &&
         good;
}

}  // namespace qcface::train
