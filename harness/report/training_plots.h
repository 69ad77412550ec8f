// The curves of a run, one figure each, for plots/*.svg and for the report.
#pragma once

#include <string>
#include <vector>

#include "harness/plot/svg_plot.h"
#include "harness/report/run_data.h"

namespace qcface::report {

struct NamedPlot {
  std::string name;     // file name without suffix
  std::string caption;  // what is shown, under which conditions
  Plot plot;
};

/// Figures there is data for: loss, guidance, accuracy, verification, learning rate, throughput, magnitude.
std::vector<NamedPlot> training_plots(const RunData& run, std::int64_t max_points);
/// Distribution of the magnitude in the last histogram record; without one, of eval/magnitudes.csv; or nothing.
std::vector<NamedPlot> magnitude_histograms(const RunData& run);

/// Equal groups of consecutive points averaged (NaN left out) until at most max_points remain.
struct Curve {
  std::vector<double> x, y;
};
Curve thin(const std::vector<double>& x, const std::vector<double>& y, std::int64_t max_points);
/// Mean over a centred window of about a fortieth of the curve.
std::vector<double> smooth(const std::vector<double>& y);

}  // namespace qcface::report
