// How sure a figure is, and the difference of two models' figures on the same pairs: 95 % intervals and two-sided p values.
// AUC by DeLong, DeLong and Clarke-Pearson (Biometrics 1988) in O(n log n) from midranks (Sun and Xu, 2014); rates and
// accuracies by a paired bootstrap, seeded, the same for any number of threads (of one standard library, whose binomial
// distribution it takes).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qcface::eval {

/// AUC with its standard error. m same pairs of scores x, n different ones of scores y: V10(x) = share of y below x, ties
/// half; V01(y) = share of x above y; AUC = mean V10, variance = var(V10) / m + var(V01) / n (sample variances).
struct AucInterval {
  double auc = 0;
  std::optional<double> standard_error;  // none with fewer than two pairs of either kind
  double low = 0, high = 1;              // AUC -+ 1.96 standard errors, inside 0 .. 1
};
/// Throws Error as check_pairs().
AucInterval auc_interval(std::span<const double> scores, std::span<const char> same);

/// first - second.
struct Difference {
  double first = 0, second = 0, difference = 0;
  std::optional<double> low, high;  // 95 %
  std::optional<double> p;          // of no difference, two-sided
  std::string method;               // "DeLong", "bootstrap by pair", "bootstrap by fold"
};

/// Paired: the covariance of the two models' V10 and V01 is taken off. z = difference / standard error, p = erfc(|z| / sqrt 2);
/// 1 where the two order all pairs alike. Throws Error as check_pairs(), and for lists of different lengths.
Difference auc_difference(std::span<const double> first, std::span<const double> second,
                          std::span<const char> same);

struct BootstrapOptions {
  int replicates = 2000;
  std::uint64_t seed = 0;
  int threads = 0;                                  // 0: all cores
  std::function<void(std::int64_t done)> progress;  // of so many replicates
};

/// TAR, strict (roc.h), at each FAR. A replicate draws the same pairs and the different pairs anew, each kind with replacement
/// and as many as there are, and takes t from what it drew, for both models from the same draw. Interval: 2.5 and 97.5 percentiles of the
/// differences, by linear interpolation; p = 2 min(1 + #{<= 0}, 1 + #{>= 0}) / (replicates + 1), at most 1. Of the different pairs only those
/// that can be near t are drawn one by one, which changes no figure. Throws Error as auc_difference().
std::vector<Difference> tar_differences(std::span<const double> first, std::span<const double> second,
                                        std::span<const char> same, std::span<const double> fars,
                                        const BootstrapOptions& options = {});

/// Mean accuracy of the folds. A replicate draws folds with replacement; interval and p as above. Throws Error for no fold or
/// another number of folds.
Difference fold_difference(std::span<const double> first, std::span<const double> second,
                           const BootstrapOptions& options = {});

}  // namespace qcface::eval
