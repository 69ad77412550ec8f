#include "harness/eval/measures/roc.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "harness/eval/measures/pair_scores.h"

namespace qcface::eval {
namespace {

nn::RocCounts count(const nn::RocRequest& request, nn::Scorer* scorer) {
  return scorer != nullptr ? scorer->roc(request) : nn::make_scorer()->roc(request);
}

Roc curve_of(const nn::RocCounts& found) {
  Roc roc;
  roc.same = found.same;
  roc.different = found.different;
  roc.points.reserve(found.points.size() + 1);
  roc.points.push_back({std::numeric_limits<double>::infinity(), 0, 0, 0, 0});
  roc.points.insert(roc.points.end(), found.points.begin(), found.points.end());
  return roc;
}

// k: so many different pairs may score higher.
double allowed(double far, std::int64_t different) {
  return std::floor(far * static_cast<double>(different) + 1e-9);
}

// Of the targets that do not accept every different pair.
std::vector<std::int64_t> strict_ranks(std::span<const double> targets, std::int64_t different) {
  std::vector<std::int64_t> ranks;
  for (const double far : targets) {
    const double k = allowed(far, different);
    if (k < static_cast<double>(different)) ranks.push_back(static_cast<std::int64_t>(k));
  }
  return ranks;
}

// `strict` holds what strict_ranks() asked for.
std::vector<TarRow> tar_rows(const Roc& thinned, const nn::RocCounts& strict,
                             std::span<const double> targets) {
  const double same = static_cast<double>(thinned.same), different = static_cast<double>(thinned.different);
  std::vector<TarRow> rows;
  std::size_t next = 0;
  for (const double far : targets) {
    TarRow row;
    row.far = far;
    row.resolvable = far * different + 1e-9 >= 1.0;
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < thinned.points.size(); ++i) {
      const double distance = std::fabs(thinned.fpr(i) - far);
      if (distance <= best) {  // <=: the last of equals has the largest TPR
        best = distance;
        row.tar_nearest = thinned.tpr(i);
        row.far_nearest = thinned.fpr(i);
      }
    }
    if (allowed(far, thinned.different) >= different) {
      row.threshold_strict = -std::numeric_limits<double>::infinity();
      row.tar_strict = row.far_strict = 1;
    } else {
      row.threshold_strict = strict.negative_score[next];
      row.tar_strict = static_cast<double>(strict.same_above[next]) / same;
      row.far_strict = static_cast<double>(strict.different_above[next]) / different;
      ++next;
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Roc compute_roc(std::span<const double> scores, std::span<const char> same, RocPoints kind,
                nn::Scorer* scorer) {
  check_pairs(scores, same, "ROC");
  nn::RocRequest request;
  request.scores = scores;
  request.same = same;
  request.thinned = kind == RocPoints::kThinned;
  return curve_of(count(request, scorer));
}

RocTable roc_table(std::span<const double> scores, std::span<const char> same, nn::Scorer* scorer,
                   std::span<const double> targets) {
  const std::vector<std::int64_t> ranks = strict_ranks(targets, check_pairs(scores, same, "ROC").different);
  nn::RocRequest request;
  request.scores = scores;
  request.same = same;
  request.negative_ranks = ranks;
  const nn::RocCounts found = count(request, scorer);
  RocTable table;
  table.roc = curve_of(found);
  table.tar = tar_rows(table.roc, found, targets);
  return table;
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
                               std::span<const double> targets, nn::Scorer* scorer) {
  const std::vector<std::int64_t> ranks =
      strict_ranks(targets, check_pairs(scores, same, "TAR at FAR").different);
  nn::RocRequest request;
  request.scores = scores;
  request.same = same;
  request.negative_ranks = ranks;
  return tar_rows(thinned, count(request, scorer), targets);
}

}  // namespace qcface::eval
