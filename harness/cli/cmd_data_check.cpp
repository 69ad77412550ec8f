// `qcface data verify` and `qcface data stats`: what is there, and whether it is whole.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/console/compute_threads.h"
#include "harness/console/usage.h"
#include "harness/convert/stats.h"
#include "harness/convert/verify.h"

namespace qcface::cli {

void add_data_verify(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "data verify",
                  "Check data sets: tables and checksums of packs, framing and index of RecordIO, every "
                  "picture of folders and verification packs; exit status 1 when something is bad");
  struct Options {
    std::vector<std::string> places;
    std::string journal;
    convert::VerifyOptions verify;
  };
  auto options = std::make_shared<Options>();
  command.app->add_option("PLACE", options->places, "The data sets")->required();
  OptionTable& table = *command.table;
  table.add(
      "--journal", options->journal,
      "File that keeps how far the check is, while it is not done: the same command goes on from there");
  table.add_flag("--decode", options->verify.decode, "Decode the pictures of packs too");
  table.add_number("--threads", options->verify.threads, 0, kMostThreads, "Threads; 0 takes all cores");
  command.run = [options] {
    options->verify.journal = options->journal;
    const auto result =
        convert::verify_places(options->places, options->verify, [](const std::string& sentence) {
          fmt::print("{}\n", sentence);
          std::fflush(stdout);
        });
    if (result.bad == 0) {
      log::info("{} pictures and records checked: all are good", result.checked);
      return 0;
    }
    log::error("{} pictures and records checked, {} bad; they are named above", result.checked, result.bad);
    return 1;
  };
}

void add_data_stats(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "data stats",
                  "Look at every picture: mean and deviation of the channels, pictures a class, "
                  "sizes, corrupt pictures, exact duplicates");
  struct Options {
    std::string data_dirs, out = "stats";
    bool merge_by_name = false;
    convert::StatsOptions stats;
  };
  auto options = std::make_shared<Options>();
  OptionTable& table = *command.table;
  table.add("--data_dirs", options->data_dirs, "Data sets as for training, separated by commas");
  table.add("--out", options->out, "Folder for stats.json, duplicates.csv and classes.svg");
  table.add_number("--size", options->stats.side, 1, 4096,
                   "Side to which pictures are cut before their channels are summed, as training does");
  table.add_number("--threads", options->stats.threads, 0, kMostThreads, "Threads; 0 takes all cores");
  table.add_flag("--merge-by-name", options->merge_by_name,
                 "Identities of the same name in several roots are one class");
  command.run = [options] {
    require_usage(!options->data_dirs.empty(), "--data_dirs is missing: give the data set(s) to look at");
    const auto set = data::open_pictures(options->data_dirs, options->merge_by_name);
    for (const std::string& warning : set->warnings()) log::warn("{}", warning);
    require_writable_folder(options->out, "--out");
    const convert::SetStats stats = convert::collect_stats(*set, options->stats);
    convert::write_stats(options->out, *set, stats, options->stats);
    log::info("{}", convert::stats_text(*set, stats));
    return 0;
  };
}

}  // namespace qcface::cli
