#include "harness/eval/measures/kfold_insightface.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "harness/eval/measures/fold_counts.h"
#include "harness/eval/measures/pair_scores.h"
#include "harness/eval/measures/scores.h"

namespace qcface::eval {
namespace {

std::vector<double> regular_grid(double step, int count) {
  std::vector<double> grid(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) grid[static_cast<std::size_t>(i)] = i * step;
  return grid;
}

// The threshold at which the FAR on all folds but held_out meets the target.
double val_threshold(const detail::FoldCounts& counts, std::size_t held_out, double target, double step) {
  double negatives = 0;
  for (std::size_t fold = 0; fold < counts.same.size(); ++fold) {
    if (fold != held_out) negatives += static_cast<double>(counts.different[fold]);
  }
  const auto far = [&](int t) {
    double accepts = 0;
    for (std::size_t fold = 0; fold < counts.same.size(); ++fold) {
      if (fold != held_out) accepts += static_cast<double>(counts.fp(fold, t));
    }
    return negatives > 0 ? accepts / negatives : 0.0;
  };
  const int last = counts.thresholds - 1;
  if (far(last) < target) return 0;
  int below = -1;  // last index whose FAR is not above the target; FAR does not decrease
  for (int t = 0; t <= last && far(t) <= target; ++t) below = t;
  if (below < 0) return 0;
  if (below == last) return last * step;
  const double at = far(below);
  return below * step + (target - at) / (far(below + 1) - at) * step;
}

}  // namespace

double squared_distance(std::span<const float> f1, std::span<const float> f2) {
  require(f1.size() == f2.size(), "squared distance: embeddings of different width, {} and {}", f1.size(),
          f2.size());
  const double length1 = magnitude(f1);
  const double length2 = magnitude(f2);
  const double scale1 = length1 > 0 ? length1 : 1.0;
  const double scale2 = length2 > 0 ? length2 : 1.0;
  double sum = 0;
  for (std::size_t i = 0; i < f1.size(); ++i) {
    const double difference = static_cast<double>(f1[i]) / scale1 - static_cast<double>(f2[i]) / scale2;
    sum += difference * difference;
  }
  return sum;
}

InsightFaceResult kfold_accuracy_insightface(std::span<const double> distances, std::span<const char> same) {
  check_pairs(distances, same, "10-fold accuracy (InsightFace style)");
  const std::vector<FoldRange> folds = make_folds(static_cast<std::int64_t>(distances.size()));
  const std::vector<double> grid = regular_grid(0.01, 400);
  const detail::FoldCounts counts = detail::count_folds(distances, same, grid, folds, detail::Accept::kBelow);
  InsightFaceResult result;
  detail::choose_by_fold(counts, folds, grid, result);
  return result;
}

ValResult val_at_far_insightface(std::span<const double> distances, std::span<const char> same,
                                 double far_target) {
  check_pairs(distances, same, "VAL at FAR (InsightFace style)");
  require(far_target >= 0 && far_target <= 1, "VAL at FAR: the target {} is not in 0..1", far_target);
  const std::vector<FoldRange> folds = make_folds(static_cast<std::int64_t>(distances.size()));
  constexpr double kStep = 0.001;
  const detail::FoldCounts counts =
      detail::count_folds(distances, same, regular_grid(kStep, 4000), folds, detail::Accept::kBelow);
  std::vector<double> val;
  std::vector<double> far;
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    const double threshold = val_threshold(counts, fold, far_target, kStep);
    double true_accepts = 0;
    double false_accepts = 0;
    for (std::int64_t pair = folds[fold].begin; pair < folds[fold].end; ++pair) {
      const std::size_t i = static_cast<std::size_t>(pair);
      if (distances[i] < threshold) (same[i] ? true_accepts : false_accepts) += 1;
    }
    val.push_back(counts.same[fold] ? true_accepts / static_cast<double>(counts.same[fold]) : 0.0);
    far.push_back(counts.different[fold] ? false_accepts / static_cast<double>(counts.different[fold]) : 0.0);
  }
  ValResult result;
  result.far_target = far_target;
  const detail::MeanStd val_stats = detail::mean_std(val);
  result.val_mean = val_stats.mean;
  result.val_std = val_stats.std;
  result.far_mean = detail::mean_std(far).mean;
  return result;
}

}  // namespace qcface::eval
