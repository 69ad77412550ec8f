#include <algorithm>
#include <set>

#include "core/atomic_file.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/cli/command.h"
#include "harness/console/compute_threads.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"
#include "harness/data/sets/picture_source.h"
#include "harness/eval/compare/compare.h"
#include "harness/report/compare_page.h"

namespace qcface::cli {
namespace {

struct CompareFlags {
  std::vector<std::string> folders;
  std::string out = "compare", names;
  eval::BootstrapOptions bootstrap;
};

std::vector<std::string> model_names(const CompareFlags& options) {
  std::vector<std::string> names;
  if (options.names.empty()) {
    const std::vector<std::filesystem::path> folders(options.folders.begin(), options.folders.end());
    names = eval::names_of_folders(folders);
  } else {
    for (const auto& name : data::split_places(options.names)) names.push_back(name.string());
    require_usage(names.size() == options.folders.size(), "--names holds {} names for {} result folders",
                  names.size(), options.folders.size());
  }
  require_usage(std::set<std::string>(names.begin(), names.end()).size() == names.size(),
                "two models would be called alike; give --names a,b,...");
  return names;
}

int run(const CompareFlags& options) {
  require_usage(options.folders.size() >= 2, "one result folder is nothing to compare; name two or more");
  const std::vector<std::string> names = model_names(options);
  std::vector<eval::ModelResults> models;
  for (std::size_t i = 0; i < names.size(); ++i)
    models.push_back(eval::read_model(names[i], options.folders[i]));
  require_writable_folder(options.out, "--out");  // before the long part

  Progress progress("bootstrap", static_cast<std::size_t>(options.bootstrap.replicates), "replicates");
  eval::BootstrapOptions bootstrap = options.bootstrap;
  bootstrap.progress = [&](std::int64_t done) {
    if (done < bootstrap.replicates) progress.update(static_cast<std::size_t>(done));
  };
  const std::vector<eval::Comparison> comparisons = eval::compare(models, bootstrap);
  const auto written = eval::write_comparison(options.out, models, comparisons, bootstrap,
                                              report::compare_page(models, comparisons));
  progress.clear();
  for (const eval::ModelResults& model : models) {
    for (const std::string& problem : model.problems)
      log::warn("{}: {}: left out", printable(model.name), problem);
  }
  for (const eval::Comparison& comparison : comparisons) {
    log::info("{}", printable(eval::title_of(comparison)));
    log::info("{}", eval::screen_text(eval::present_comparison(comparison, models)));
  }
  log::info("written: {} files in {}, among them compare.html", written.size(), options.out);
  return 0;
}

}  // namespace

void add_compare(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "compare", "Compare the results of several models side by side");
  auto options = std::make_shared<CompareFlags>();
  command.app
      ->add_option("RESULT_FOLDER", options->folders,
                   "Folders that `eval ... --out` or training runs wrote, one a model")
      ->required();
  OptionTable& table = *command.table;
  table.add("--out", options->out,
            "Folder for compare.html, compare.json, compare.csv, differences.csv and figures as SVG and PNG");
  table.add("--names", options->names, "Names of the models, a,b,...; empty: those of the folders");
  table.add_number("--bootstrap", options->bootstrap.replicates, 40, 1'000'000,
                   "Replicates of the bootstrap, where two models have scores of the same pairs");
  table.add_number("--seed", options->bootstrap.seed, 0, kLargestSeed, "Seed of the bootstrap");
  table.add_number("--threads", options->bootstrap.threads, 0, kMostThreads, "Threads; 0 takes all cores");
  command.run = [options] { return run(*options); };
}

}  // namespace qcface::cli
