#include "harness/report/training_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qcface::report {
namespace {

// A curve of the steps: faint as measured, strong as a running mean. Short curves are drawn once.
void add_curve(Plot& plot, const MetricTable& table, const std::string& key, const std::string& name,
               int colour, std::int64_t max_points, double factor = 1, bool smoothed = true) {
  if (!table.has(key)) return;
  std::vector<double> values = table.column(key);
  for (double& value : values) value *= factor;
  const Curve curve = thin(table.steps, values, max_points);
  Series series;
  series.name = name;
  series.x = curve.x;
  series.y = curve.y;
  series.colour = colour;
  if (smoothed && curve.x.size() >= 40) {
    Series raw = series;
    raw.name.clear();
    raw.opacity = 0.28;
    raw.width = 1;
    plot.series.push_back(std::move(raw));
    series.y = smooth(curve.y);
  }
  plot.series.push_back(std::move(series));
}

Plot step_plot(std::string title, std::string y_label) {
  Plot plot;
  plot.title = std::move(title);
  plot.x.label = "step";
  plot.y.label = std::move(y_label);
  return plot;
}

void keep(std::vector<NamedPlot>& plots, std::string name, std::string caption, Plot plot) {
  if (!plot.series.empty()) plots.push_back({std::move(name), std::move(caption), std::move(plot)});
}

}  // namespace

Curve thin(const std::vector<double>& x, const std::vector<double>& y, std::int64_t max_points) {
  const std::size_t n = std::min(x.size(), y.size());
  const std::size_t group = max_points > 0
                                ? std::max<std::size_t>(1, (n + static_cast<std::size_t>(max_points) - 1) /
                                                               static_cast<std::size_t>(max_points))
                                : 1;
  Curve curve;
  for (std::size_t begin = 0; begin < n; begin += group) {
    const std::size_t end = std::min(n, begin + group);
    double sum_x = 0, sum_y = 0;
    std::size_t count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      sum_x += x[i] / static_cast<double>(end - begin);
      if (!std::isfinite(y[i])) continue;
      sum_y += y[i];
      ++count;
    }
    curve.x.push_back(group == 1 ? x[begin] : sum_x);
    curve.y.push_back(count ? sum_y / static_cast<double>(count) : std::nan(""));
  }
  return curve;
}

std::vector<double> smooth(const std::vector<double>& y) {
  const std::size_t half = std::max<std::size_t>(1, y.size() / 80);
  std::vector<double> smoothed(y.size(), std::nan(""));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t begin = i >= half ? i - half : 0;
    const std::size_t end = std::min(y.size(), i + half + 1);
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t k = begin; k < end; ++k) {
      if (!std::isfinite(y[k])) continue;
      sum += y[k];
      ++count;
    }
    if (count && std::isfinite(y[i])) smoothed[i] = sum / static_cast<double>(count);
  }
  return smoothed;
}

std::vector<NamedPlot> training_plots(const RunData& run, std::int64_t max_points) {
  std::vector<NamedPlot> plots;
  const MetricTable& steps = run.steps;

  Plot loss = step_plot("Loss", "loss (mean of the batch)");
  add_curve(loss, steps, "loss", "total", 0, max_points);
  add_curve(loss, steps, "loss_id", "identity", 1, max_points);
  keep(plots, "loss",
       "Total and identity loss of the training batches. Faint: as logged; strong: running mean.",
       std::move(loss));

  Plot guidance = step_plot("Magnitude guidance", "guidance loss, before lambda_g");
  add_curve(guidance, steps, "loss_g", "guidance", 2, max_points);
  keep(plots, "guidance", "Mean magnitude guidance loss of the batches, not yet weighted by lambda_g.",
       std::move(guidance));

  Plot accuracy = step_plot("Training accuracy", "batch accuracy (%)");
  add_curve(accuracy, steps, "accuracy", "top 1", 0, max_points, 100);
  add_curve(accuracy, steps, "top5", "top 5", 2, max_points, 100);
  keep(plots, "accuracy",
       "Share of training pictures whose own class has the largest cosine, without the margin.",
       std::move(accuracy));

  Plot verification = step_plot("Verification during training", "10-fold accuracy (%)");
  int colour = 0;
  for (const auto& [set, table] : run.evaluations) {
    if (!table.has("accuracy")) continue;
    Series series;
    series.name = set.empty() ? "accuracy" : set;
    series.x = table.steps;
    series.y = table.column("accuracy");
    for (double& value : series.y) value *= 100;
    series.colour = colour;
    Series dots = series;
    dots.name.clear();
    dots.mark = Mark::kPoints;
    verification.series.push_back(std::move(series));
    verification.series.push_back(std::move(dots));
    ++colour;
  }
  keep(plots, "verification",
       "10-fold accuracy (cosine, QCFace style) on the pair lists evaluated between epochs.",
       std::move(verification));

  Plot magnitude = step_plot("Magnitude of the embeddings", "magnitude |f|");
  if (steps.has("z_min") && steps.has("z_max")) {
    const Curve low = thin(steps.steps, steps.column("z_min"), max_points);
    const Curve high = thin(steps.steps, steps.column("z_max"), max_points);
    magnitude.bands.push_back({"smallest to largest of the batch", low.x, low.y, high.y, 0, 0.18});
  }
  add_curve(magnitude, steps, "z_mean", "mean", 0, max_points);
  keep(plots, "magnitude", "Length of the raw embeddings of the training batches.", std::move(magnitude));

  Plot rate = step_plot("Learning rate", "learning rate");
  add_curve(rate, steps, "lr", "learning rate", 3, max_points, 1, false);
  rate.legend = false;
  keep(plots, "learning_rate", "Learning rate used by the step.", std::move(rate));

  Plot throughput = step_plot("Throughput", "pictures/s");
  throughput.y.min = 0;
  add_curve(throughput, steps, "images_per_s", "pictures/s", 4, max_points);
  throughput.legend = false;
  keep(plots, "throughput", "Training pictures per second between two log lines, loading included.",
       std::move(throughput));
  return plots;
}

std::vector<NamedPlot> magnitude_histograms(const RunData& run) {
  std::vector<NamedPlot> plots;
  if (run.histogram) {
    Plot plot;
    plot.title = "Magnitudes, training";
    plot.x.label = "magnitude |f|";
    plot.y.label = "pictures";
    plot.legend = false;
    Series series;
    series.mark = Mark::kSteps;
    series.x = run.histogram->edges;
    series.y = run.histogram->counts;
    plot.series.push_back(std::move(series));
    plots.push_back(
        {"magnitude_histogram",
         fmt::format("Magnitudes of the training pictures since the log line before; last record, at step "
                     "{:.0f}.",
                     run.histogram->step),
         std::move(plot)});
  }
  for (const PictureSet& set : run.picture_sets) {
    if (set.magnitudes.size() < 2) continue;
    const auto [low, high] = std::minmax_element(
        set.magnitudes.begin(), set.magnitudes.end(),
        [](const NamedMagnitude& a, const NamedMagnitude& b) { return a.magnitude < b.magnitude; });
    const double first = low->magnitude;
    const double span = high->magnitude > first ? high->magnitude - first : 1;
    const int bins =
        std::clamp(static_cast<int>(2 * std::cbrt(static_cast<double>(set.magnitudes.size()))), 8, 60);
    Series series;
    series.mark = Mark::kSteps;
    series.colour = 2;
    series.y.assign(static_cast<std::size_t>(bins), 0);
    for (int i = 0; i <= bins; ++i) series.x.push_back(first + span * i / bins);
    for (const NamedMagnitude& row : set.magnitudes) {
      const int bin = std::min(bins - 1, static_cast<int>((row.magnitude - first) / span * bins));
      series.y[static_cast<std::size_t>(bin)] += 1;
    }
    Plot plot;
    plot.title = set.name.empty() ? "Magnitudes, verification" : "Magnitudes, " + set.name;
    plot.x.label = "magnitude |f|";
    plot.y.label = "pictures";
    plot.legend = false;
    plot.series.push_back(std::move(series));
    plots.push_back({set.name.empty() ? "magnitude_histogram_verify" : "magnitude_histogram_" + set.name,
                     fmt::format("Magnitudes of the {} pictures of the verification list, final weights.",
                                 set.magnitudes.size()),
                     std::move(plot)});
  }
  return plots;
}

}  // namespace qcface::report
