#include <fmt/format.h>

#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/console/compute_threads.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"
#include "harness/data/augment/degradation_series.h"

namespace qcface::cli {

void add_data_degrade(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "data degrade",
                                 "Make a degradation series of real pictures, for eval degradation: one "
                                 "picture a person, degraded step by step");
  struct Options {
    data::DegradationSeriesOptions series;
    std::string out;
  };
  auto options = std::make_shared<Options>();
  OptionTable& table = *command.table;
  table.add("--data", options->series.places,
            "Data sets, separated by commas: image folders, RecordIO files, packs; pictures as the network "
            "gets them");
  table.add("--out", options->out, "Folder for the series: a folder a kind, levels.csv, sources.csv");
  table.add_number("--sources", options->series.sources, 1, 1'000'000,
                   "People, drawn from the set; the first readable picture of each");
  table.add_number("--seed", options->series.seed, 0, kLargestSeed,
                   "Seed of the choice and of noise and rectangles; the same seed gives the same files");
  table.add_number("--size", options->series.side, 32, 1024, "Side of the pictures in pixels");
  table.add_number("--threads", options->series.threads, 0, kMostThreads, "Threads; 0 takes all cores");
  command.run = [options] {
    data::DegradationSeriesOptions& series = options->series;
    require_usage(!series.places.empty(), "--data is missing: give the data set(s) to take pictures from");
    require_usage(!options->out.empty(), "--out is missing: give the folder for the series");
    series.out = options->out;
    Progress progress("degrading", 0, "sources");
    const data::DegradationSeriesResult result =
        data::make_degradation_series(series, [&](std::int64_t done, std::int64_t sources) {
          progress.update_of(static_cast<std::size_t>(done), static_cast<std::size_t>(sources));
        });
    progress.clear();
    if (result.unreadable > 0)
      log::warn("{} chosen pictures could not be read: another of the same person stands in, or none",
                result.unreadable);
    log::info("{} pictures of {} sources in {}", result.pictures, result.sources, options->out);
    return 0;
  };
}

}  // namespace qcface::cli
