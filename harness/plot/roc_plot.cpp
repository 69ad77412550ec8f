#include "harness/plot/roc_plot.h"

#include <algorithm>
#include <cmath>

namespace qcface {

Plot roc_plot(const std::vector<RocCurve>& curves, const std::string& title) {
  Plot plot;
  plot.title = title;
  plot.x = {"false accept rate (FAR, log scale)", Scale::kLog10, {}, 1.0};
  plot.y = {"true accept rate (TAR)", Scale::kLinear, 0.0, 1.0};
  plot.width = 620;
  plot.height = 360;
  double smallest = 0.1;
  for (const RocCurve& curve : curves) {
    for (const double fpr : curve.fpr) {
      if (std::isfinite(fpr) && fpr > 0) smallest = std::min(smallest, fpr);
    }
  }
  const double left = std::pow(10.0, std::floor(std::log10(smallest) - 1e-9));
  plot.x.min = left;

  Series chance;
  chance.name = "chance";
  chance.colour = -1;
  chance.mark = Mark::kDashed;
  chance.width = 1.2;
  for (int i = 0; i <= 100; ++i) {
    chance.x.push_back(left * std::pow(1 / left, i / 100.0));
    chance.y.push_back(chance.x.back());
  }
  for (const RocCurve& curve : curves) {
    Series series;
    series.name = curve.name;
    series.colour = curve.colour;
    if (curve.dashed) series.mark = Mark::kDashed;
    const std::size_t n = std::min(curve.fpr.size(), curve.tpr.size());
    for (std::size_t i = 0; i < n; ++i) {
      series.x.push_back(std::max(curve.fpr[i], left));
      series.y.push_back(curve.tpr[i]);
    }
    plot.series.push_back(std::move(series));
  }
  if (!curves.empty()) plot.series.push_back(std::move(chance));
  return plot;
}

}  // namespace qcface
