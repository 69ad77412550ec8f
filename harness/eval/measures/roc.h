// ROC curve, area, and TAR at FAR by both rules (protocols.md section 6). O(n log n), counts in 64 bits.
// Ties are one point. Throws Error as check_pairs() (pair_scores.h). Scores are sorted by a Scorer; without one by the CPU's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/scoring/scorer.h"

namespace qcface::eval {

using nn::RocPoint;

/// Points ascend in FPR and TPR. The first is (0, 0) with threshold +infinity, the last (1, 1).
struct Roc {
  std::vector<RocPoint> points;
  std::int64_t same = 0;
  std::int64_t different = 0;
  double fpr(std::size_t i) const {
    return static_cast<double>(points[i].false_accepts) / static_cast<double>(different);
  }
  double tpr(std::size_t i) const {
    return static_cast<double>(points[i].true_accepts) / static_cast<double>(same);
  }
};

/// kThinned drops a group whose second difference of both counts is 0 (the form published tables rest on);
/// the area does not change, TAR by the nearest rule may.
enum class RocPoints { kAll, kThinned };

Roc compute_roc(std::span<const double> scores, std::span<const char> same,
                RocPoints points = RocPoints::kThinned, nn::Scorer* scorer = nullptr);

/// Trapezoid area as a fraction (tables print 100 times it).
double auc(const Roc& roc);

/// Whole-curve measures, as fractions.
struct RocSummary {
  double best_accuracy =
      0;  // first maximum over the points' thresholds, accepting score > threshold (strict)
  double best_threshold = 0;
  double eer = 0;  // FPR at the first point that minimises |FNR - FPR|
  double eer_threshold = 0;
};
RocSummary summarize(const Roc& roc);
/// Smallest 1 - TPR over points with FPR <= fmr.
double fnmr_at_fmr(const Roc& roc, double fmr);

/// FAR targets of the published tables.
inline constexpr double kFarTargets[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1};

struct TarRow {
  double far = 0;               // target
  bool resolvable = true;       // false: far < 1 / negatives, the figure says little
  double tar_nearest = 0;       // thinned point whose FPR is nearest; comparable with published tables
  double far_nearest = 0;       // FPR of that point; may exceed the target
  double tar_strict = 0;        // share of positives above the (k+1)-th largest negative; never exceeds it
  double far_strict = 0;        // share of negatives above it
  double threshold_strict = 0;  // accept score > threshold
};

/// One row a target. `scores` must be what `thinned` was computed from.
std::vector<TarRow> tar_at_far(const Roc& thinned, std::span<const double> scores, std::span<const char> same,
                               std::span<const double> targets = kFarTargets, nn::Scorer* scorer = nullptr);

/// The thinned curve and its table; scores are sorted once for both.
struct RocTable {
  Roc roc;
  std::vector<TarRow> tar;
};
RocTable roc_table(std::span<const double> scores, std::span<const char> same, nn::Scorer* scorer = nullptr,
                   std::span<const double> targets = kFarTargets);

}  // namespace qcface::eval
