#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/cli/model_flags.h"
#include "harness/console/usage.h"
#include "harness/eval/commands.h"
#include "harness/eval/results.h"

namespace qcface::cli {
namespace {

struct VerifyFlags {
  ModelFlags model;
  std::string data, pairs, out = "eval", preset, fit_pairs, fit_data;
  eval::QmfChoice qmf = eval::QmfChoice::kOff;
  double alpha = 0, beta = 0;
  std::uint64_t fit_seed = 0;
  eval::QmagSpace fit_space = eval::QmagSpace::kSigmoid;
};

void settle_qmf(const OptionTable& table, const VerifyFlags& flags, eval::VerifyOptions& options) {
  if (flags.qmf == eval::QmfChoice::kOff) {
    for (const char* key : {"alpha", "beta", "preset", "fit-pairs", "fit-data"}) {
      require_usage(!table.given(key),
                    "--{} and --qmf off contradict each other: choose --qmf given, preset or fit", key);
    }
  }
  require_usage(flags.qmf != eval::QmfChoice::kGiven || (table.given("alpha") && table.given("beta")),
                "--qmf given needs --alpha and --beta");
  require_usage(flags.qmf != eval::QmfChoice::kPreset || !flags.preset.empty(),
                "--qmf preset needs --preset, for example qcface/ir50");
  require_usage(flags.qmf != eval::QmfChoice::kFit || !flags.fit_data.empty(),
                "--qmf fit needs --fit-data: a folder of training identities, or one with --fit-pairs");
  options.qmf = flags.qmf;
  options.alpha = flags.alpha;
  options.beta = flags.beta;
  options.preset = flags.preset;
  options.fit_pairs = flags.fit_pairs;
  options.fit_images = flags.fit_data;
  options.fit_seed = flags.fit_seed;
  options.fit.space = flags.fit_space;
}

void add_verify(CLI::App& root, Commands& commands) {
  Command& command = add_command(
      root, commands, "eval verify",
      "Verify a pair list: 10-fold accuracy, ROC, AUC, TAR at FAR, cosine and quality-aware score");
  auto flags = std::make_shared<VerifyFlags>();
  OptionTable& table = *command.table;
  flags->model.add_to(table);
  table.add("--data", flags->data, "Folder of the pictures that the list names");
  table.add("--pairs", flags->pairs, "Pair list: lines `a b 1` (same) or `a b 0`; empty: DATA/pairs.list");
  table.add("--out", flags->out, "Folder for verify.json, roc.csv, roc.svg, magnitudes.csv");
  table.add_choice("--qmf", flags->qmf,
                   {{"off", eval::QmfChoice::kOff},
                    {"given", eval::QmfChoice::kGiven},
                    {"preset", eval::QmfChoice::kPreset},
                    {"fit", eval::QmfChoice::kFit}},
                   "Constants of the quality-aware score");
  table.add_number("--alpha", flags->alpha, -1e6, 1e6, "Constant alpha, with --qmf given");
  table.add_number("--beta", flags->beta, -1e6, 1e6, "Constant beta, with --qmf given");
  table.add("--preset", flags->preset, "Published constants by name, with --qmf preset");
  table.add("--fit-data", flags->fit_data, "Folder to fit the constants on, with --qmf fit");
  table.add("--fit-pairs", flags->fit_pairs,
            "Pair list over --fit-data; empty: pairs are drawn from its identities");
  table.add_number("--fit-seed", flags->fit_seed, 0, kLargestSeed, "Seed of that draw");
  table.add_choice("--fit-space", flags->fit_space,
                   {{"sigmoid", eval::QmagSpace::kSigmoid}, {"raw", eval::QmagSpace::kRaw}},
                   "sigmoid re-creates the published constants");
  command.run = [flags, &table] {
    require_usage(!flags->data.empty(), "--data is missing: give the folder of the pictures");
    eval::VerifyOptions options;
    settle_qmf(table, *flags, options);
    EmbeddingRun run(flags->model);
    options.images = flags->data;
    options.pairs =
        flags->pairs.empty() ? options.images / "pairs.list" : std::filesystem::path(flags->pairs);
    options.out = flags->out;
    options.extract = run.extract;
    options.conditions = run.conditions();
    const eval::VerifyResult result = eval::run_eval_verify(run.embedder, options);
    run.progress.clear();
    log::info("{}", eval::format_table(result));
    log::info("written: {}", options.out.string());
    return 0;
  };
}

void add_degradation(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "eval degradation",
                                 "Measure magnitude against known degradation (Spearman correlation)");
  struct Flags {
    ModelFlags model;
    std::string data, out = "eval";
  };
  auto flags = std::make_shared<Flags>();
  OptionTable& table = *command.table;
  flags->model.add_to(table);
  table.add("--data", flags->data, "Folder with levels.csv (file,source,kind,level) and its pictures");
  table.add("--out", flags->out, "Folder for degradation.json");
  command.run = [flags] {
    require_usage(!flags->data.empty(), "--data is missing: give the folder with levels.csv");
    EmbeddingRun run(flags->model);
    eval::DegradationOptions options;
    options.levels = std::filesystem::path(flags->data) / "levels.csv";
    options.out = flags->out;
    options.extract = run.extract;
    options.conditions = run.conditions();
    const eval::DegradationResult result = eval::run_eval_degradation(run.embedder, options);
    run.progress.clear();
    log::info("{}", eval::format_table(result));
    log::info("written: {}", (options.out / "degradation.json").string());
    return 0;
  };
}

}  // namespace

void add_eval(CLI::App& root, Commands& commands) {
  add_verify(root, commands);
  add_degradation(root, commands);
}

}  // namespace qcface::cli
