#include "harness/eval/measures/kfold.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "harness/eval/measures/fold_counts.h"
#include "harness/eval/measures/pair_scores.h"

namespace qcface::eval {

std::vector<FoldRange> make_folds(std::int64_t pairs, int folds) {
  require(folds > 0 && pairs >= folds,
          "{}-fold accuracy: {} pairs are fewer than the {} folds; give a longer pair list", folds, pairs,
          folds);
  std::vector<FoldRange> ranges;
  std::int64_t begin = 0;
  for (int fold = 0; fold < folds; ++fold) {
    const std::int64_t size = pairs / folds + (fold < pairs % folds ? 1 : 0);
    ranges.push_back({begin, begin + size});
    begin += size;
  }
  return ranges;
}

std::vector<double> linspace(double first, double last, int count) {
  require(count >= 2, "linspace: needs at least two values, asked for {}", count);
  std::vector<double> values(static_cast<std::size_t>(count));
  const double step = (last - first) / (count - 1);
  for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = first + i * step;
  values.back() = last;
  return values;
}

KfoldResult kfold_accuracy(std::span<const double> scores, std::span<const char> same, int thresholds) {
  check_pairs(scores, same, "10-fold accuracy");
  const std::vector<FoldRange> folds = make_folds(static_cast<std::int64_t>(scores.size()));
  const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
  require(
      *low < *high,
      "10-fold accuracy: all {} scores are equal ({}); the network gives every picture the same embedding",
      scores.size(), *low);
  const std::vector<double> grid = linspace(*low, *high, thresholds);
  const detail::FoldCounts counts = detail::count_folds(scores, same, grid, folds, detail::Accept::kAbove);

  KfoldResult result;
  detail::choose_by_fold(counts, folds, grid, result);

  for (int t = 0; t < thresholds; ++t) {
    double tpr = 0;
    double fpr = 0;
    for (std::size_t fold = 0; fold < folds.size(); ++fold) {
      if (counts.same[fold]) {
        tpr += static_cast<double>(counts.tp(fold, t)) / static_cast<double>(counts.same[fold]);
      }
      if (counts.different[fold]) {
        fpr += static_cast<double>(counts.fp(fold, t)) / static_cast<double>(counts.different[fold]);
      }
    }
    const double n = static_cast<double>(folds.size());
    result.mean_roc.push_back({fpr / n, tpr / n, grid[static_cast<std::size_t>(t)]});
  }

  double best_gap = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < result.mean_roc.size(); ++i) {
    const MeanRocRow& row = result.mean_roc[i];
    if (i > 0) {
      const MeanRocRow& before = result.mean_roc[i - 1];
      result.auc_kfold += (before.fpr - row.fpr) * (before.tpr + row.tpr) / 2;
    }
    const double gap = std::fabs((1.0 - row.tpr) - row.fpr);
    if (gap < best_gap) {
      best_gap = gap;
      result.eer = row.fpr;
      result.eer_threshold = row.threshold;
    }
  }
  return result;
}

double fnmr_at_fmr(const KfoldResult& result, double fmr) {
  double smallest = 1;
  for (const MeanRocRow& row : result.mean_roc) {
    if (row.fpr <= fmr) smallest = std::min(smallest, 1.0 - row.tpr);
  }
  return smallest;
}

}  // namespace qcface::eval
