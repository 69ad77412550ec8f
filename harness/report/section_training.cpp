// Training curves and magnitude distribution.
#include "harness/report/html.h"
#include "harness/report/sections.h"
#include "harness/report/training_plots.h"

namespace qcface::report {

std::string training_section(const RunData& run, const ReportOptions& options,
                             std::vector<std::string>& missing) {
  std::string training;
  std::string magnitude;
  for (const NamedPlot& plot : training_plots(run, options.max_curve_points)) {
    std::string& section = plot.name == "magnitude" ? magnitude : training;
    section += html_figure(render_svg(plot.plot), plot.caption);
  }
  for (const NamedPlot& plot : magnitude_histograms(run)) {
    magnitude += html_figure(render_svg(plot.plot), plot.caption);
  }
  const std::string command = "qcface train --pth-save-fold " + run.folder.string() + " ...";
  if (training.empty()) {
    missing.push_back("training curves");
    training = html_missing("There is no step record in metrics.jsonl.", command);
  } else {
    training = "<div class=\"figures\">\n" + training + "</div>\n";
  }
  if (magnitude.empty()) {
    missing.push_back("magnitudes");
    magnitude = html_missing("There is no magnitude in metrics.jsonl and no eval/magnitudes.csv.",
                             command + " --vis_mag 1");
  } else {
    magnitude = "<div class=\"figures\">\n" + magnitude + "</div>\n";
  }
  return html_section("training", "Training", training) + html_section("magnitude", "Magnitude", magnitude);
}

}  // namespace qcface::report
