// The ROC figure, drawn alike by the evaluation and by the report.
#pragma once

#include <string>
#include <vector>

#include "harness/plot/svg_plot.h"

namespace qcface {

struct RocCurve {
  std::string name;              // legend
  std::vector<double> fpr, tpr;  // ascending, fractions
  int colour = 0;
  bool dashed = false;
};

/// TAR against FAR on a log axis that ends below the smallest non-zero FAR; points at FAR 0 stand on its left edge.
/// The grey dashed line is chance.
Plot roc_plot(const std::vector<RocCurve>& curves, const std::string& title);

}  // namespace qcface
