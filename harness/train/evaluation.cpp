#include "harness/train/evaluation.h"

#include <algorithm>
#include <functional>
#include <system_error>

#include "core/atomic_file.h"
#include "core/comm/agreement.h"
#include "core/error.h"
#include "core/log.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvalBatch = 64;

// Reads the lists of a measurement. Throws Error that begins with the option.
void read_lists(eval::Measurement& measurement, const char* option, const std::string& text) {
  try {
    measurement.read();
    measurement.require_accuracy();
  } catch (const Error& problem) {
    fail("{} {}: {}", option, text, problem.what());
  }
}

// The list that this protocol has in its folder, or the one file that holds all.
void require_list(const char* option, const fs::path& folder, const char* list) {
  std::error_code error;
  require(fs::exists(folder / list, error) || fs::is_regular_file(folder, error), "{} {}: no {} in it",
          option, folder.string(), list);
}

std::unique_ptr<eval::Measurement> degradation_of(const TrainOptions& options) {
  constexpr const char* kOption = "--degrade-data";
  require_list(kOption, options.degrade_data, "levels.csv");
  auto measurement = eval::protocol("degradation").make();
  measurement->folder = options.degrade_data;
  read_lists(*measurement, kOption, options.degrade_data);
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
  constexpr const char* kOption = "--eval-data";
  const eval::Protocol& verify = eval::protocol("verify");
  std::vector<EvalSet> sets;
  std::vector<fs::path> folders;
  for (const std::string& text : options.eval_data) {
    eval::NamedMeasurement named = eval::measurement_from_text(text, verify);
    folders.push_back(named.measurement->folder);
    sets.push_back({"", named.protocol, std::move(named.measurement), named.flip, {}, -1});
  }
  const std::vector<std::string> names = unique_set_names(folders);
  std::error_code error;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      require(sets[i].protocol != sets[j].protocol || !fs::equivalent(folders[i], folders[j], error),
              "--eval-data {}: is the same folder as {}: give it once", folders[i].string(),
              folders[j].string());
    }
    sets[i].name = names[i];
    if (options.eval_data[i] == folders[i]) require_list(kOption, folders[i], "pairs.list");
    read_lists(*sets[i].measurement, kOption, options.eval_data[i]);
  }
  if (!options.degrade_data.empty()) degradation_of(options);
  return sets;
}

BestBy best_by_from_text(const std::string& text, std::span<const EvalSet> sets) {
  BestBy best;
  std::string rest = text;
  if (rest.ends_with(":min")) {
    best.smallest = true;
    rest.resize(rest.size() - 4);
  }
  if (const std::size_t slash = rest.rfind('/'); slash != std::string::npos) {
    best.set = rest.substr(0, slash);
    rest.erase(0, slash + 1);
    std::string known;
    for (const EvalSet& set : sets) known += (known.empty() ? "" : ", ") + set.name;
    require_usage(
        std::any_of(sets.begin(), sets.end(), [&](const EvalSet& set) { return set.name == best.set; }),
        "--best-by {}: no set {} among those of --eval-data: {}", text, best.set, known);
  }
  if (!rest.empty()) best.figure = rest;
  return best;
}

std::optional<double> best_figure(const BestBy& best, std::span<const EvalSet> sets) {
  double sum = 0;
  int count = 0;
  std::string known;
  for (const EvalSet& set : sets) {
    if (!set.found || (!best.set.empty() && set.name != best.set)) continue;
    for (const auto& [name, value] : set.found->figures.items()) known += (known.empty() ? "" : ", ") + name;
    const auto it = set.found->figures.find(best.figure);
    if (it == set.found->figures.end() || !it->is_number()) continue;
    sum += it->get<double>();
    ++count;
  }
  if (count > 0) return sum / count;
  log::warn(
      "no set gives the figure '{}' that --best-by names, so no checkpoint is marked as the best; there are: "
      "{}",
      best.figure, known);
  return std::nullopt;
}

eval::ExtractOptions extract_options(const TrainOptions& options, Communicator& communicator) {
  eval::ExtractOptions extract;
  if (communicator.size() > 1) extract.ranks = &communicator;
  extract.batch_size = kEvalBatch;
  extract.workers = options.workers;
  extract.preparation = options.preparation;
  return extract;
}

const eval::Result& verify_set(nn::Network& network, EvalSet& set, const TrainOptions& options,
                               std::int64_t global_step, Communicator& communicator) {
  model::NetworkEmbedder embedder(network, kEvalBatch);
  Progress progress("verifying " + set.name, 1, "pictures");
  eval::ExtractOptions extract = extract_options(options, communicator);
  extract.progress = [&](std::size_t done, std::size_t total) { progress.update_of(done, total); };
  extract.flip = set.flip;
  eval::NetworkFeatures features(embedder, extract);
  set.found_at = -1;  // should it fail
  set.found = eval::measure(*set.measurement, features);
  require(!set.found->figures.empty(), "{}: too few of its pictures could be read for a figure",
          set.measurement->folder.string());
  set.found_at = global_step;
  return *set.found;
}

bool write_final_evaluation(nn::Network& network, std::vector<EvalSet>& sets, const TrainOptions& options,
                            const fs::path& run, const std::string& weights, const std::string& device,
                            std::int64_t global_step, Communicator& communicator) {
  const bool leading = leads(communicator);
  const eval::Conditions conditions{{"weights", weights}, {"arch", options.arch}, {"device", device}};
  bool good = true;
  for (EvalSet& set : sets) {
    const fs::path out = &set == &sets.front() ? run / "eval" : run / "eval" / set.name;
    eval::Conditions of_set = conditions;
    of_set["set"] = set.name;
    good &= succeeds("the final verification on " + set.name, [&] {
      if (leading) require_writable_folder(out, "--pth-save-fold");
      if (set.found_at != global_step) verify_set(network, set, options, global_step, communicator);
      if (!leading) return;
      eval::write_result(out, *set.protocol, *set.found, of_set);
      log::info("verification on {} ({})\n{}", set.name, set.measurement->folder.string(),
                eval::screen_text(set.protocol->present(*set.found)));
    });
  }
  if (options.degrade_data.empty()) return good;
  return succeeds("the measurement of magnitude against degradation",
                  [&] {
                    const eval::Protocol& degradation = eval::protocol("degradation");
                    const auto measurement = degradation_of(options);
                    model::NetworkEmbedder embedder(network, kEvalBatch);
                    eval::NetworkFeatures features(embedder, extract_options(options, communicator));
                    const eval::Result result = eval::measure(*measurement, features);
                    if (!leading) return;
                    eval::write_result(run / "eval", degradation, result, conditions);
                    log::info("magnitude against degradation\n{}",
                              eval::screen_text(degradation.present(result)));
                  }) &&
         good;
}

}  // namespace qcface::train
