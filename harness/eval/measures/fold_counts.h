// Counts of accepted pairs per fold and threshold, in O(N log T) instead of O(N T). Internal to the 10-fold
// measures: a pair is accepted at the thresholds of index < steps (similarities, score > t) or >= steps (distances,
// distance < t), where steps comes from the same strict comparison a plain loop would make.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/eval/measures/kfold.h"

namespace qcface::eval::detail {

struct FoldCounts {
  int thresholds = 0;
  std::vector<std::int64_t> true_accepts;   // [folds, thresholds]
  std::vector<std::int64_t> false_accepts;  // [folds, thresholds]
  std::vector<std::int64_t> same;           // [folds]
  std::vector<std::int64_t> different;      // [folds]

  std::int64_t tp(std::size_t fold, int t) const { return true_accepts[at(fold, t)]; }
  std::int64_t fp(std::size_t fold, int t) const { return false_accepts[at(fold, t)]; }
  std::int64_t right(std::size_t fold, int t) const { return tp(fold, t) + different[fold] - fp(fold, t); }

 private:
  std::size_t at(std::size_t fold, int t) const {
    return fold * static_cast<std::size_t>(thresholds) + static_cast<std::size_t>(t);
  }
};

enum class Accept { kAbove, kBelow };

/// grid ascends.
inline FoldCounts count_folds(std::span<const double> values, std::span<const char> same,
                              std::span<const double> grid, std::span<const FoldRange> folds, Accept accept) {
  FoldCounts counts;
  const std::size_t steps = grid.size();
  counts.thresholds = static_cast<int>(steps);
  counts.true_accepts.assign(folds.size() * steps, 0);
  counts.false_accepts.assign(folds.size() * steps, 0);
  counts.same.assign(folds.size(), 0);
  counts.different.assign(folds.size(), 0);
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    std::int64_t* tp = counts.true_accepts.data() + fold * steps;
    std::int64_t* fp = counts.false_accepts.data() + fold * steps;
    for (std::int64_t pair = folds[fold].begin; pair < folds[fold].end; ++pair) {
      const std::size_t i = static_cast<std::size_t>(pair);
      (same[i] ? counts.same : counts.different)[fold] += 1;
      std::int64_t* count = same[i] ? tp : fp;
      if (accept == Accept::kAbove) {
        // Accepted at every t < value: mark the last such index, summed from the right below.
        const auto end = std::lower_bound(grid.begin(), grid.end(), values[i]);
        if (end != grid.begin()) count[end - grid.begin() - 1] += 1;
      } else {
        const auto begin = std::upper_bound(grid.begin(), grid.end(), values[i]);
        if (begin != grid.end()) count[begin - grid.begin()] += 1;
      }
    }
    for (std::int64_t* count : {tp, fp}) {
      if (accept == Accept::kAbove) {
        for (std::size_t t = steps - 1; t > 0; --t) count[t - 1] += count[t];
      } else {
        for (std::size_t t = 1; t < steps; ++t) count[t] += count[t - 1];
      }
    }
  }
  return counts;
}

/// First threshold with the most right decisions on all folds but `held_out`.
inline int best_threshold_without(const FoldCounts& counts, std::size_t held_out) {
  int best = 0;
  std::int64_t best_right = -1;
  for (int t = 0; t < counts.thresholds; ++t) {
    std::int64_t right = 0;
    for (std::size_t fold = 0; fold < counts.same.size(); ++fold) {
      if (fold != held_out) right += counts.right(fold, t);
    }
    if (right > best_right) {
      best_right = right;
      best = t;
    }
  }
  return best;
}

struct MeanStd {
  double mean = 0;
  double std = 0;  // population
};
inline MeanStd mean_std(std::span<const double> values) {
  MeanStd result;
  if (values.empty()) return result;
  const double n = static_cast<double>(values.size());
  for (const double value : values) result.mean += value;
  result.mean /= n;
  for (const double value : values) result.std += (value - result.mean) * (value - result.mean);
  result.std = std::sqrt(result.std / n);
  return result;
}

/// Fills folds, accuracy_mean and accuracy_std of a 10-fold result: every fold is judged at the threshold that the
/// others choose.
template <class Result>
void choose_by_fold(const FoldCounts& counts, std::span<const FoldRange> folds, std::span<const double> grid,
                    Result& result) {
  std::vector<double> accuracies;
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    KfoldFold entry;
    entry.pairs = folds[fold].end - folds[fold].begin;
    entry.threshold_index = best_threshold_without(counts, fold);
    entry.threshold = grid[static_cast<std::size_t>(entry.threshold_index)];
    entry.accuracy =
        static_cast<double>(counts.right(fold, entry.threshold_index)) / static_cast<double>(entry.pairs);
    accuracies.push_back(entry.accuracy);
    result.folds.push_back(entry);
  }
  const MeanStd accuracy = mean_std(accuracies);
  result.accuracy_mean = accuracy.mean;
  result.accuracy_std = accuracy.std;
}

}  // namespace qcface::eval::detail
