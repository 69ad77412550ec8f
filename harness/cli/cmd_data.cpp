#include <fmt/format.h>

#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/console/compute_threads.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"
#include "harness/data/bench.h"
#include "harness/synth/synth.h"
#include "harness/synth/toy/toy.h"
#include "harness/train/train_options.h"

namespace qcface::cli {
namespace {

void add_synth(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "data synth",
                  "Make a procedural face set: training folder, verification pairs, degradation series");
  auto options = std::make_shared<synth::SynthOptions>();
  auto out = std::make_shared<std::string>("faces");
  OptionTable& table = *command.table;
  table.add("--out", *out, "Folder to make");
  table.add_number("--identities", options->identities, 1, 1'000'000, "Training identities");
  table.add_number("--pictures", options->pictures_per_identity, 1, 10'000,
                   "Pictures of each training identity");
  table.add_number("--verify-identities", options->verify_identities, 2, 100'000, "Held-out identities");
  table.add_number("--verify-pictures", options->verify_pictures, 2, 1000,
                   "Pictures of each held-out identity");
  table.add_number("--pairs", options->pairs, 20, 10'000'000,
                   "Verification pairs, half of them of the same identity");
  table.add_number("--degrade-sources", options->degrade_sources, 0, 100'000,
                   "Clean pictures that the degradation series starts from");
  table.add_number("--degraded-share", options->degraded_share, 0, 1,
                   "Share of the training pictures that is degraded");
  table.add_number(
      "--doubles", options->doubles, 1, 1'000'000,
      "Training identities in groups of this many who differ in details alone, which a small or blurred "
      "picture does not show");
  table.add_number("--marks", options->marks, 0, 100,
                   "Marks of the skin that tell everybody from the others");
  table.add_number("--seed", options->seed, 0, kLargestSeed, "Seed; the same seed gives the same files");
  table.add_number("--size", options->size, 32, 1024, "Side of the pictures in pixels");
  table.add_number("--quality", options->quality, 1, 100, "JPEG quality of the files");
  table.add_number("--threads", options->threads, 0, kMostThreads, "Threads; 0 takes all cores");
  command.run = [options, out] {
    options->out = *out;
    Progress progress("drawing faces", 1000);
    const synth::SynthResult result = synth::synthesize_faces(
        *options, [&](double share) { progress.update(static_cast<std::size_t>(share * 1000)); });
    progress.clear();
    log::info(
        "{} {}: {} training pictures in {}, {} verification pictures with {} pairs in {}, {} degraded "
        "pictures in {}",
        result.reused ? "found" : "made", options->out.string(), result.train_pictures, result.train.string(),
        result.verify_pictures, result.pair_count, result.verify.string(), result.degraded_pictures,
        result.degrade.string());
    return 0;
  };
}

void add_toy(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "data toy",
                                 "Make a small set of painted faces in the exact layout of a benchmark");
  struct Options {
    synth::ToyOptions toy;
    std::string benchmark, out;
  };
  auto options = std::make_shared<Options>();
  std::string known;
  for (const synth::Toy* toy : synth::toys()) known += std::string(known.empty() ? "" : ", ") + toy->name;
  OptionTable& table = *command.table;
  table.add("--benchmark", options->benchmark, "Which one: " + known);
  table.add("--out", options->out, "Folder to make");
  table.add_number("--people", options->toy.people, 4, 1000, "People in it");
  table.add_number("--seed", options->toy.seed, 0, kLargestSeed, "Seed; the same seed gives the same files");
  command.run = [options] {
    require_usage(!options->benchmark.empty(), "--benchmark is missing: say which layout");
    require_usage(!options->out.empty(), "--out is missing: name the folder to make");
    options->toy.out = options->out;
    synth::make_toy(options->benchmark, options->toy);
    log::info("made {}", options->out);
    return 0;
  };
}

void add_bench(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "data bench",
                                 "Measure loading alone: pictures a second, stage by stage and in all");
  struct Options {
    data::DataBenchOptions bench;
    std::string data_dirs;
  };
  auto options = std::make_shared<Options>();
  options->bench.loader.augment = data::AugmentMode::kPublished;
  OptionTable& table = *command.table;
  table.add("--data_dirs", options->data_dirs,
            "Data sets, separated by commas: image folders, RecordIO files, folders with train.rec");
  table.add_number("-j,--workers", options->bench.loader.workers, 0, kMostWorkers, "Data loading threads");
  table.add_number("-b,--batch-size", options->bench.loader.batch_size, 1, 65536, "Pictures a batch");
  train::add_augment_option(table, options->bench.loader.augment);
  table.add_number("--stage-seconds", options->bench.stage_seconds, 0, 86400,
                   "Time for the stages on one thread");
  table.add_number("--loader-seconds", options->bench.loader_seconds, 0, 86400, "Time for the loader");
  table.add_number("--seed", options->bench.loader.seed, 0, kLargestSeed, "Seed of the augmentation");
  command.run = [options] {
    require_usage(!options->data_dirs.empty(), "--data_dirs is missing: give the data set(s) to load");
    const auto set = data::open_pictures(options->data_dirs);
    for (const std::string& warning : set->warnings()) log::warn("{}", warning);
    Progress progress("loading", 1000);
    const auto result =
        data::run_data_bench(*set, options->bench, [&](double share, const std::string& phase) {
          progress.update(static_cast<std::size_t>(share * 1000), phase);
        });
    progress.clear();
    log::info("{}", data::format_data_bench(result, options->bench));
    return 0;
  };
}

}  // namespace

void add_data(CLI::App& root, Commands& commands) {
  add_synth(root, commands);
  add_toy(root, commands);
  add_bench(root, commands);
  add_data_align(root, commands);
  add_data_degrade(root, commands);
  add_data_pack(root, commands);
  add_data_convert(root, commands);
  add_data_verify(root, commands);
  add_data_stats(root, commands);
}

}  // namespace qcface::cli
