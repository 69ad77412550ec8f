#include "harness/eval/measures/roc.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "harness/eval/measures/pair_scores.h"

namespace qcface::eval {
Roc compute_roc(std::span<const double> scores, std::span<const char> same, RocPoints kind) {
  const ClassCounts counts = check_pairs(scores, same, "ROC");
  nn::RocRequest request;
  request.scores = scores;
  request.same = same;
  request.thinned = kind == RocPoints::kThinned;
  Roc roc;
  roc.same = counts.same;
  roc.different = counts.different;
  roc.points.push_back({std::numeric_limits<double>::infinity(), 0, 0, 0, 0});
  const nn::RocCounts found = nn::make_scorer()->roc(request);
  roc.points.insert(roc.points.end(), found.points.begin(), found.points.end());
  return roc;
}

double auc(const Roc& roc) {
  double area = 0;
  for (std::size_t i = 1; i < roc.points.size(); ++i) {
    area += (roc.fpr(i) - roc.fpr(i - 1)) * (roc.tpr(i) + roc.tpr(i - 1)) / 2;
  }
  return area;
}

RocSummary summarize(const Roc& roc) {
  RocSummary summary;
  const double total = static_cast<double>(roc.same + roc.different);
  std::int64_t best_right = -1;
  double best_gap = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < roc.points.size(); ++i) {
    const RocPoint& point = roc.points[i];
    const std::int64_t right = point.true_above + roc.different - point.false_above;
    if (right > best_right) {
      best_right = right;
      summary.best_accuracy = static_cast<double>(right) / total;
      summary.best_threshold = point.threshold;
    }
    const double gap = std::fabs((1.0 - roc.tpr(i)) - roc.fpr(i));
    if (gap < best_gap) {
      best_gap = gap;
      summary.eer = roc.fpr(i);
      summary.eer_threshold = point.threshold;
    }
  }
  return summary;
}

double fnmr_at_fmr(const Roc& roc, double fmr) {
  double smallest = 1;
  for (std::size_t i = 0; i < roc.points.size(); ++i) {
    if (roc.fpr(i) <= fmr) smallest = std::min(smallest, 1.0 - roc.tpr(i));
  }
  return smallest;
}

std::vector<TarRow> tar_at_far(const Roc& thinned, std::span<const double> scores, std::span<const char> same,
                               std::span<const double> targets) {
  require(scores.size() == same.size(), "TAR at FAR: {} scores but {} labels", scores.size(), same.size());
  std::vector<double> positives;
  std::vector<double> negatives;
  for (std::size_t i = 0; i < scores.size(); ++i) (same[i] ? positives : negatives).push_back(scores[i]);
  require(!positives.empty() && !negatives.empty(), "TAR at FAR: needs pairs of both kinds, has {} and {}",
          positives.size(), negatives.size());
  std::sort(positives.begin(), positives.end(), std::greater<>());
  std::sort(negatives.begin(), negatives.end(), std::greater<>());
  const double n = static_cast<double>(negatives.size());
  // Share of values above t, from the sorted list.
  const auto share_above = [](const std::vector<double>& descending, double t) {
    const auto end =
        std::partition_point(descending.begin(), descending.end(), [t](double value) { return value > t; });
    return static_cast<double>(end - descending.begin()) / static_cast<double>(descending.size());
  };

  std::vector<TarRow> rows;
  for (const double far : targets) {
    TarRow row;
    row.far = far;
    row.resolvable = far * n + 1e-9 >= 1.0;
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < thinned.points.size(); ++i) {
      const double distance = std::fabs(thinned.fpr(i) - far);
      if (distance <= best) {  // <=: the last of equals has the largest TPR
        best = distance;
        row.tar_nearest = thinned.tpr(i);
        row.far_nearest = thinned.fpr(i);
      }
    }
    const double k = std::floor(far * n + 1e-9);
    row.threshold_strict =
        k >= n ? -std::numeric_limits<double>::infinity() : negatives[static_cast<std::size_t>(k)];
    row.tar_strict = share_above(positives, row.threshold_strict);
    row.far_strict = share_above(negatives, row.threshold_strict);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace qcface::eval
