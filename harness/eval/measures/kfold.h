// 10-fold verification accuracy, QCFace style (protocols.md section 4; also QMagFace).
//   grid T = linspace(min score, max score, 600) over all pairs; folds are consecutive blocks, the first
//   N mod 10 one pair longer; t* of a fold = first maximum of the accuracy on the other folds; accept score >
//   t.
// Throws Error as check_pairs(), for fewer pairs than folds, and when all scores are equal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qcface::eval {

inline constexpr int kFolds = 10;

/// Pairs [begin, end) of each fold.
struct FoldRange {
  std::int64_t begin;
  std::int64_t end;
};
std::vector<FoldRange> make_folds(std::int64_t pairs, int folds = kFolds);

/// start + i step for i < count - 1, then exactly `last`.
std::vector<double> linspace(double first, double last, int count);

struct KfoldFold {
  std::int64_t pairs = 0;
  int threshold_index = 0;  // into the grid
  double threshold = 0;
  double accuracy = 0;  // fraction
};

/// Rates averaged over the folds at one threshold; a rate without denominator counts as 0.
struct MeanRocRow {
  double fpr;
  double tpr;
  double threshold;
};

struct KfoldResult {
  double accuracy_mean = 0;  // fractions
  double accuracy_std = 0;   // population
  std::vector<KfoldFold> folds;
  std::vector<MeanRocRow> mean_roc;  // thresholds ascending; never reaches (1, 1)
  double auc_kfold = 0;              // of mean_roc, fraction; a little low, see protocols.md section 4
  double eer = 0;                    // fraction
  double eer_threshold = 0;
};

KfoldResult kfold_accuracy(std::span<const double> scores, std::span<const char> same, int thresholds = 600);

/// Smallest 1 - TPR over rows of mean_roc with FPR <= fmr; 1 when there is none.
double fnmr_at_fmr(const KfoldResult& result, double fmr);

}  // namespace qcface::eval
