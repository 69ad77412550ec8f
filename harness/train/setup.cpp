#include "harness/train/setup.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/comm/agreement.h"
#include "core/error.h"
#include "harness/console/usage.h"
#include "harness/model/family.h"
#include "harness/train/checkpoint_files.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

void prepare_run_folder(const TrainOptions& options, const std::optional<CheckpointFacts>& resume) {
  const fs::path run(options.pth_save_fold);
  require((resume && is_of_run(resume->path, run)) || !has_checkpoints(run),
          "--pth-save-fold {}: holds checkpoints of another run; go on with it (--resume {}), name another "
          "folder, or remove it",
          run.string(), run.string());
  // Before the work whose results go there.
  const char* flag = "--pth-save-fold";
  require_writable_folder(run / "checkpoints", flag);
  require_writable_folder(run / "plots", flag);
  if (!options.eval_data.empty() || !options.degrade_data.empty())
    require_writable_folder(run / "eval", flag);
}

// `chosen`: the checkpoint that the leading rank goes on from; empty: this is that rank, and it looks for one.
SettledRun settle_resume(OptionTable& table, TrainOptions& options, const std::string& chosen) {
  for (const char* key : {"config", "weight_path", "head", "family", "start-epoch"}) {
    require_usage(
        !table.given(key),
        "--resume and --{} contradict each other: a resumed run takes its configuration, weights and "
        "position "
        "from the checkpoint",
        key);
  }
  std::error_code error;
  const fs::path named = options.resume.empty() ? fs::path(options.pth_save_fold) : fs::path(options.resume);
  require_usage(fs::exists(named, error), "--resume {}: no such file or folder", named.string());
  const bool folder = !is_checkpoint(named);
  const std::string run = table.given("pth-save-fold")
                              ? options.pth_save_fold
                              : run_of_checkpoint(folder ? named / "checkpoints" / "any" : named).string();
  std::optional<RunLock> lock;
  if (chosen.empty()) lock.emplace(run);
  CheckpointFacts facts = read_checkpoint_facts(!chosen.empty() ? fs::path(chosen)
                                                : folder        ? latest_checkpoint(named)
                                                                : named);

  const OptionTable::Json wanted = table.resolved();
  for (const std::string& key : table.keys()) {
    if (!table.given(key) || may_change_on_resume(key)) continue;
    const auto stored = facts.config.find(key);
    require_usage(
        stored == facts.config.end() || *stored == wanted.at(key),
        "--{} {} differs from the checkpoint's {}: a resumed run keeps what shapes the training; leave "
        "the flag out, or "
        "start a new run from these weights with --weight_path",
        key, wanted.at(key).dump(), stored == facts.config.end() ? "" : stored->dump());
  }
  table.apply_config(facts.config, facts.path.string());
  options.pth_save_fold = run;
  return {std::move(lock), std::move(facts)};
}

// What weights need of pictures and network, where neither command line nor configuration says otherwise.
void settle_by_weights(const OptionTable& table, TrainOptions& options) {
  std::error_code error;
  require(fs::exists(options.weight_path, error), "--weight_path {}: no such file", options.weight_path);
  const model::ModelFile file = model::open_model(fs::path(options.weight_path), options.family);
  if (!table.chosen("mean")) options.preparation.mean = file.preparation.mean;
  if (!table.chosen("std")) options.preparation.std = file.preparation.std;
  if (!table.chosen("bgr")) options.preparation.bgr = file.preparation.bgr;
  if (options.bn_eps == 0) options.bn_eps = file.bn_eps;
}

SettledRun settle(OptionTable& table, TrainOptions& options, bool leading, const std::string& chosen) {
  std::optional<SettledRun> run;
  if (table.given("resume")) {
    run.emplace(settle_resume(table, options, chosen));
  } else if (!options.config.empty()) {
    table.apply_config_file(options.config);
    require_usage(!table.chosen("resume"),
                  "{}: \"resume\" belongs on the command line, not in a configuration file", options.config);
  }
  check_train_options(table, options);
  if (!run && !options.weight_path.empty()) settle_by_weights(table, options);
  if (options.bn_eps == 0) options.bn_eps = model::facts_of(model::Family::kQcface).bn_eps;
  if (!run) run.emplace();
  if (!leading) return std::move(*run);
  if (!run->lock) run->lock.emplace(options.pth_save_fold);
  prepare_run_folder(options, run->resume);
  return std::move(*run);
}

}  // namespace

SettledRun settle_run(OptionTable& table, TrainOptions& options, Communicator& communicator) {
  const bool leading = leads(communicator);
  std::optional<SettledRun> run;
  if (leading) run.emplace(settle(table, options, true, {}));
  const std::string chosen =
      leaders_text(communicator, leading && run->resume ? run->resume->path.string() : "");
  if (!leading) run.emplace(settle(table, options, false, chosen));
  return std::move(*run);
}

OptionTable::Json run_configuration(const OptionTable& table) {
  OptionTable::Json config = table.resolved();
  config.erase("config");
  config.erase("resume");
  return config;
}

}  // namespace qcface::train
