#include "core/log.h"
#include "harness/cli/command.h"
#include "harness/report/report.h"

namespace qcface::cli {

void add_report(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "report", "Write a self-contained HTML page about a run");
  struct Options {
    std::string run, out, title;
    int pictures = 12;
  };
  auto options = std::make_shared<Options>();
  command.app->add_option("RUN", options->run, "Run folder")->required();
  OptionTable& table = *command.table;
  table.add("--out", options->out, "HTML file; empty: RUN/report.html");
  table.add("--title", options->title, "Title of the page; empty: the folder's name");
  table.add_number("--pictures", options->pictures, 1, 1000,
                   "Pictures of lowest, and of highest, magnitude shown");
  command.run = [options] {
    report::ReportOptions report;
    report.run = options->run;
    report.out = options->out;
    report.title = options->title;
    report.extreme_pictures = options->pictures;
    const report::ReportResult result = report::run_report(report);
    if (result.damaged_lines > 0) log::warn("metrics.jsonl: {} damaged lines skipped", result.damaged_lines);
    log::info("report: {} ({} KiB)", result.file.string(), result.bytes / 1024);
    for (const std::string& section : result.missing) log::info("  no data for: {}", section);
    return 0;
  };
}

}  // namespace qcface::cli
