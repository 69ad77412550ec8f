#include "harness/report/report.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "harness/report/html.h"
#include "harness/report/run_data.h"
#include "harness/report/sections.h"
#include "harness/report/training_plots.h"

namespace qcface::report {
namespace {

// "runs/a/" and "runs/a" are both called "a".
std::string folder_name(const std::filesystem::path& folder) {
  std::filesystem::path normal = std::filesystem::absolute(folder).lexically_normal();
  if (normal.filename().empty()) normal = normal.parent_path();
  return normal.filename().string();
}

// A result file of another shape than ours must not take the rest of the page with it.
template <class Section>
std::string guarded(const std::string& name, std::vector<std::string>& missing, Section&& section) {
  try {
    return section();
  } catch (const nlohmann::json::exception& error) {
    missing.push_back(name);
    return html_section(name, name,
                        html_missing(fmt::format("A result file is damaged: {}.", json_problem(error)), ""));
  }
}

}  // namespace

ReportResult run_report(const ReportOptions& options) {
  require(std::filesystem::is_directory(options.run),
          "report: {} is no folder; name the run folder that training wrote", options.run.string());
  ReportResult result;
  result.file = options.out.empty() ? options.run / "report.html" : options.out;
  AtomicFile file(result.file);  // before the work, so that a place that cannot be written stops at once
  const RunData run = read_run(options.run);
  result.records = run.records;
  result.damaged_lines = run.damaged_lines;
  const std::string title = options.title.empty() ? folder_name(options.run) : options.title;
  // What magnitude is for comes first, where the run measured it.
  const eval::Protocol& degradation = eval::protocol("degradation");
  const eval::Protocol* const lead = results_of(run, degradation).empty() ? nullptr : &degradation;
  const auto section_of = [&](const eval::Protocol& protocol) {
    return guarded(protocol.section, result.missing,
                   [&] { return result_section(run, protocol, options, result.missing); });
  };
  std::string body = header_section(run, title, lead);
  if (lead != nullptr) body += section_of(*lead);
  body += guarded("header", result.missing, [&] { return tiles_section(run); });
  body += facts_section(run, result.missing);
  body += training_section(run, options, result.missing);
  for (const eval::Protocol* protocol : eval::protocols()) {
    if (protocol != lead) body += section_of(*protocol);
  }
  body += pictures_section(run, options, result.missing);
  body +=
      "<footer>This page is one file: figures and pictures are inside, nothing is loaded from "
      "elsewhere.</footer>\n";
  const std::string page = html_page(title, body);
  file.write(page);
  file.commit();
  result.bytes = static_cast<std::int64_t>(page.size());
  return result;
}

std::vector<std::filesystem::path> write_plots(const std::filesystem::path& folder) {
  const RunData run = read_run(folder);
  std::vector<NamedPlot> plots = training_plots(run, ReportOptions().max_curve_points);
  for (NamedPlot& plot : magnitude_histograms(run)) plots.push_back(std::move(plot));
  const std::filesystem::path out = folder / "plots";
  std::error_code error;
  std::filesystem::create_directories(out, error);
  require(!error, "{}: cannot make the folder: {}", out.string(), error.message());
  std::vector<std::filesystem::path> written;
  for (const NamedPlot& plot : plots) {
    written.push_back(out / (plot.name + ".svg"));
    write_file_atomically(written.back(), render_svg_file(plot.plot));
  }
  return written;
}

}  // namespace qcface::report
