#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/log.h"
#include "core/text.h"
#include "harness/cli/command.h"
#include "harness/console/compute_threads.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"
#include "harness/data/align/align.h"

namespace qcface::cli {
namespace {

// Counts of each kind of note, and one of them.
void report(const data::AlignResult& result, const data::AlignOptions& options) {
  for (const std::string& warning : result.warnings) log::warn("{}", warning);
  for (int i = 0; i < data::AlignNote::kKinds; ++i) {
    const auto kind = static_cast<data::AlignNote::Kind>(i);
    const auto first = std::find_if(result.notes.begin(), result.notes.end(),
                                    [&](const data::AlignNote& note) { return note.kind == kind; });
    if (first == result.notes.end()) continue;
    constexpr std::size_t kLongestName = 300;
    log::warn("{}: {} (for example {}{}{})", data::name_of(kind), result.count(kind),
              printable(first->picture, kLongestName), first->detail.empty() ? "" : ": ", first->detail);
  }
  log::info("{} crops of {} x {} in {} ({} made, {} were there); {} rows in the list{}",
            result.made + result.kept, options.width(), options.height, options.out.string(), result.made,
            result.kept, result.rows,
            result.notes.empty() ? "" : "; align.csv there lists what is said above");
}

}  // namespace

void add_data_align(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "data align", "Cut faces out by five points each, as networks expect them");
  struct Options {
    data::AlignOptions align;
    std::string data, landmarks, out;
  };
  auto options = std::make_shared<Options>();
  OptionTable& table = *command.table;
  table.add("--data", options->data, "Folder of pictures; the crops keep its folders and names");
  table.add(
      "--landmarks", options->landmarks,
      "List of rows: picture, x and y of eyes, nose and corners of the mouth (a score behind them is passed "
      "over), or of 68 points");
  table.add("--out", options->out, "Folder for the crops; a call that was stopped goes on there");
  table.add_number("--size", options->align.height, 16, 1024,
                   "Rows of the crops; the points of 112 x 112 are scaled");
  table.add_flag("--narrow", options->align.narrow,
                 "Crops of 96 columns for 112 rows, as older networks take");
  table.add_flag("--png", options->align.png, "PNG instead of JPEG");
  table.add_number("--quality", options->align.quality, 1, 100, "JPEG quality");
  table.add_number("--threads", options->align.threads, 0, kMostThreads, "Threads; 0 takes all cores");
  command.run = [options] {
    data::AlignOptions& align = options->align;
    require_usage(!options->data.empty(), "--data is missing: give the folder of the pictures");
    require_usage(!options->landmarks.empty(), "--landmarks is missing: give the list of points");
    require_usage(!options->out.empty(), "--out is missing: give the folder for the crops");
    align.data = options->data;
    align.landmarks = options->landmarks;
    align.out = options->out;
    Progress progress("aligning", 0, "pictures");
    const data::AlignResult result = data::align_pictures(align, [&](std::int64_t done, std::int64_t rows) {
      progress.update_of(static_cast<std::size_t>(done), static_cast<std::size_t>(rows));
    });
    progress.clear();
    report(result, align);
    return 0;
  };
}

}  // namespace qcface::cli
