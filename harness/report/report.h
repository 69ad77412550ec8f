// `qcface report RUN`: one self-contained HTML page (inline SVG, data-URI pictures, no network) from a run
// folder. Reads config.json, metrics.jsonl, eval/*.json, eval/*.csv. Every part may be missing or damaged:
// its section then says what is missing and which command makes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qcface::report {

struct ReportOptions {
  std::filesystem::path run;             // run folder
  std::filesystem::path out;             // HTML file; empty = <run>/report.html
  std::string title;                     // empty = name of the run folder
  int extreme_pictures = 12;             // lowest, and as many highest, magnitudes
  int thumbnail_side = 112;              // pixels; shown at 80
  std::int64_t max_curve_points = 1200;  // longer curves are averaged over equal groups of steps
};

struct ReportResult {
  std::filesystem::path file;
  std::int64_t bytes = 0;
  std::int64_t records = 0;          // of metrics.jsonl
  std::int64_t damaged_lines = 0;    // skipped
  std::vector<std::string> missing;  // sections without data
};

/// Throws Error naming the folder when it is missing, and the file when it cannot be written.
ReportResult run_report(const ReportOptions& options);

/// plots/*.svg of the run (loss, accuracy, magnitude, learning rate, throughput): what the trainer leaves
/// beside the report. Returns the files written.
std::vector<std::filesystem::path> write_plots(const std::filesystem::path& run);

}  // namespace qcface::report
