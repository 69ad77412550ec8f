#include "harness/eval/measures/interval.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "harness/console/run_tasks.h"
#include "harness/eval/measures/pair_scores.h"

namespace qcface::eval {
namespace {

constexpr double kTwoSided95 = 1.959963984540054;  // the normal distribution's 97.5 percentile

// Of every value: the share of `others` (ascending) that lies below it, ties half; or above it.
std::vector<double> placements(std::span<const double> values, std::span<const double> others, bool below) {
  std::vector<double> shares(values.size());
  const double count = static_cast<double>(others.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto [first, last] = std::equal_range(others.begin(), others.end(), values[i]);
    const double less = static_cast<double>(first - others.begin());
    const double equal = static_cast<double>(last - first);
    shares[i] = ((below ? less : count - less - equal) + equal / 2) / count;
  }
  return shares;
}

struct Placed {
  std::vector<double> v10, v01;  // of same and of different pairs, in list order
  double auc = 0;
};

Placed place(std::span<const double> scores, std::span<const char> same) {
  std::vector<double> positives, negatives;
  for (std::size_t i = 0; i < scores.size(); ++i) (same[i] ? positives : negatives).push_back(scores[i]);
  std::vector<double> sorted_positives = positives, sorted_negatives = negatives;
  std::sort(sorted_positives.begin(), sorted_positives.end());
  std::sort(sorted_negatives.begin(), sorted_negatives.end());
  Placed placed;
  placed.v10 = placements(positives, sorted_negatives, true);
  placed.v01 = placements(negatives, sorted_positives, false);
  placed.auc =
      std::accumulate(placed.v10.begin(), placed.v10.end(), 0.0) / static_cast<double>(placed.v10.size());
  return placed;
}

// Sample variance of the values over their number.
double variance_of_mean(std::span<const double> values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / (n - 1) / n;
}

std::vector<double> minus(std::span<const double> a, std::span<const double> b) {
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return difference;
}

double percentile(std::span<const double> ascending, double share) {
  const double at = share * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  return ascending[below] + (at - static_cast<double>(below)) * (ascending[above] - ascending[below]);
}

void fill_from_replicates(std::vector<double> replicates, Difference& difference) {
  std::sort(replicates.begin(), replicates.end());
  difference.low = percentile(replicates, 0.025);
  difference.high = percentile(replicates, 0.975);
  const auto not_above = std::upper_bound(replicates.begin(), replicates.end(), 0.0) - replicates.begin();
  const auto not_below = replicates.end() - std::lower_bound(replicates.begin(), replicates.end(), 0.0);
  const double rarer = static_cast<double>(1 + std::min(not_above, not_below));
  difference.p = std::min(1.0, 2 * rarer / static_cast<double>(replicates.size() + 1));
}

void check_replicates(const BootstrapOptions& options) {
  require(options.replicates >= 40, "bootstrap: {} replicates tell no 95 % interval; take at least 40",
          options.replicates);
}

// Of the different pairs those whose score is among the largest of either model, and their order under each.
struct Tail {
  std::vector<double> first, second;
  std::vector<std::uint32_t> by_first, by_second;  // scores descend
};

// How many of the largest are kept: ten standard deviations more than the place of t in a replicate can move.
std::size_t kept(std::int64_t largest_rank, std::size_t count) {
  const double rank = static_cast<double>(largest_rank + 1);
  return std::min(count, static_cast<std::size_t>(rank + 10 * std::sqrt(rank) + 100));
}

Tail tail_of(const std::vector<double>& first, const std::vector<double>& second, std::size_t keep) {
  std::vector<char> chosen(first.size(), 0);
  std::vector<std::uint32_t> order(first.size());
  for (const std::vector<double>* scores : {&first, &second}) {
    std::iota(order.begin(), order.end(), 0U);
    const auto larger = [&](std::uint32_t a, std::uint32_t b) {
      return (*scores)[a] != (*scores)[b] ? (*scores)[a] > (*scores)[b] : a < b;
    };
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(keep - 1), order.end(),
                     larger);
    for (std::size_t i = 0; i < keep; ++i) chosen[order[i]] = 1;
  }
  Tail tail;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (!chosen[i]) continue;
    tail.first.push_back(first[i]);
    tail.second.push_back(second[i]);
  }
  for (const auto& [scores, ranks] :
       {std::pair{&tail.first, &tail.by_first}, std::pair{&tail.second, &tail.by_second}}) {
    ranks->resize(scores->size());
    std::iota(ranks->begin(), ranks->end(), 0U);
    std::sort(ranks->begin(), ranks->end(), [s = scores](std::uint32_t a, std::uint32_t b) {
      return (*s)[a] != (*s)[b] ? (*s)[a] > (*s)[b] : a < b;
    });
  }
  return tail;
}

// How many of n draws fall on one of `part` out of `whole`: the gaps between hits are geometric, so the time goes with the
// hits.
std::int64_t hits(RandomStream& random, std::int64_t n, std::size_t part, std::size_t whole) {
  if (part == whole) return n;
  const double log_miss = std::log1p(-static_cast<double>(part) / static_cast<double>(whole));
  std::int64_t count = 0;
  for (double at = 0;; ++count) {
    at += std::floor(std::log1p(-random.uniform()) / log_miss) + 1;
    if (at > static_cast<double>(n)) return count;
  }
}

// t for each of the ascending ranks: the score at which more than `rank` draws have been passed.
void thresholds_of(std::span<const double> scores, std::span<const std::uint32_t> order,
                   std::span<const std::uint32_t> draws, std::span<const std::int64_t> ranks,
                   std::vector<double>& thresholds) {
  thresholds.clear();
  std::int64_t passed = 0;
  for (std::size_t at = 0; at < order.size() && thresholds.size() < ranks.size(); ++at) {
    passed += draws[order[at]];
    while (thresholds.size() < ranks.size() && passed > ranks[thresholds.size()])
      thresholds.push_back(scores[order[at]]);
  }
  while (thresholds.size() < ranks.size()) thresholds.push_back(scores[order.back()]);
}

double share_above(std::span<const double> scores, std::span<const std::uint32_t> draws, double threshold) {
  std::int64_t above = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) above += scores[i] > threshold ? draws[i] : 0;
  return static_cast<double>(above) / static_cast<double>(scores.size());
}

}  // namespace

AucInterval auc_interval(std::span<const double> scores, std::span<const char> same) {
  const ClassCounts counts = check_pairs(scores, same, "AUC");
  const Placed placed = place(scores, same);
  AucInterval interval;
  interval.auc = placed.auc;
  if (counts.same < 2 || counts.different < 2) return interval;
  const double error = std::sqrt(variance_of_mean(placed.v10) + variance_of_mean(placed.v01));
  interval.standard_error = error;
  interval.low = std::max(0.0, placed.auc - kTwoSided95 * error);
  interval.high = std::min(1.0, placed.auc + kTwoSided95 * error);
  return interval;
}

Difference auc_difference(std::span<const double> first, std::span<const double> second,
                          std::span<const char> same) {
  const ClassCounts counts = check_pairs(first, same, "difference of AUC, first model");
  check_pairs(second, same, "difference of AUC, second model");
  const Placed a = place(first, same), b = place(second, same);
  Difference result;
  result.method = "DeLong";
  result.first = a.auc;
  result.second = b.auc;
  result.difference = a.auc - b.auc;
  if (counts.same < 2 || counts.different < 2) return result;
  // var(A) + var(B) - 2 cov(A, B) is the variance of the differences, which does not cancel in rounding.
  const double error =
      std::sqrt(variance_of_mean(minus(a.v10, b.v10)) + variance_of_mean(minus(a.v01, b.v01)));
  result.low = result.difference - kTwoSided95 * error;
  result.high = result.difference + kTwoSided95 * error;
  if (error > 0) {
    result.p = std::erfc(std::fabs(result.difference) / error / std::sqrt(2.0));
  } else {
    result.p = result.difference == 0 ? 1.0 : 0.0;
  }
  return result;
}

std::vector<Difference> tar_differences(std::span<const double> first, std::span<const double> second,
                                        std::span<const char> same, std::span<const double> fars,
                                        const BootstrapOptions& options) {
  const ClassCounts counts = check_pairs(first, same, "difference of TAR, first model");
  check_pairs(second, same, "difference of TAR, second model");
  check_replicates(options);
  require(std::is_sorted(fars.begin(), fars.end()), "difference of TAR: the FAR targets do not ascend");
  std::vector<std::int64_t> ranks;
  for (const double far : fars) {
    require(far > 0 && far < 1, "difference of TAR: the FAR is {}, expected 0 < FAR < 1", far);
    ranks.push_back(
        static_cast<std::int64_t>(std::floor(far * static_cast<double>(counts.different) + 1e-9)));
  }
  if (ranks.empty()) return {};
  std::vector<double> genuine_first, genuine_second, impostor_first, impostor_second;
  for (std::size_t i = 0; i < same.size(); ++i) {
    (same[i] ? genuine_first : impostor_first).push_back(first[i]);
    (same[i] ? genuine_second : impostor_second).push_back(second[i]);
  }
  const std::size_t impostors = impostor_first.size();
  const Tail tail = tail_of(impostor_first, impostor_second, kept(ranks.back(), impostors));

  struct Buffers {
    std::vector<std::uint32_t> genuine, tail;
    std::vector<double> first, second;
  };
  const auto rates = [&](Buffers& buffers, auto&& take) {
    thresholds_of(tail.first, tail.by_first, buffers.tail, ranks, buffers.first);
    thresholds_of(tail.second, tail.by_second, buffers.tail, ranks, buffers.second);
    for (std::size_t f = 0; f < ranks.size(); ++f)
      take(f, share_above(genuine_first, buffers.genuine, buffers.first[f]),
           share_above(genuine_second, buffers.genuine, buffers.second[f]));
  };
  std::vector<Difference> differences(ranks.size());
  Buffers whole{std::vector<std::uint32_t>(genuine_first.size(), 1),
                std::vector<std::uint32_t>(tail.first.size(), 1),
                {},
                {}};
  rates(whole, [&](std::size_t f, double a, double b) {
    differences[f].first = a;
    differences[f].second = b;
    differences[f].difference = a - b;
    differences[f].method = "bootstrap by pair";
  });

  std::vector<std::vector<double>> replicates(
      ranks.size(), std::vector<double>(static_cast<std::size_t>(options.replicates)));
  std::vector<Buffers> of_worker(static_cast<std::size_t>(threads_for(options.threads)));
  run_tasks(options.replicates, options.threads, options.progress, [&](std::int64_t replicate, int worker) {
    RandomStream random(options.seed, RandomPurpose::kBootstrap, 0, static_cast<std::uint64_t>(replicate));
    Buffers& buffers = of_worker[static_cast<std::size_t>(worker)];
    const auto draw = [&](std::vector<std::uint32_t>& counts_of, std::size_t size, std::int64_t number) {
      counts_of.assign(size, 0);
      for (std::int64_t i = 0; i < number; ++i) ++counts_of[random.below(size)];
    };
    draw(buffers.genuine, genuine_first.size(), counts.same);
    draw(buffers.tail, tail.first.size(), hits(random, counts.different, tail.first.size(), impostors));
    rates(buffers, [&](std::size_t f, double a, double b) {
      replicates[f][static_cast<std::size_t>(replicate)] = a - b;
    });
  });
  for (std::size_t f = 0; f < ranks.size(); ++f)
    fill_from_replicates(std::move(replicates[f]), differences[f]);
  return differences;
}

Difference fold_difference(std::span<const double> first, std::span<const double> second,
                           const BootstrapOptions& options) {
  require(!first.empty() && first.size() == second.size(), "difference of accuracy: {} folds against {}",
          first.size(), second.size());
  check_replicates(options);
  const std::vector<double> differences = minus(first, second);
  const double folds = static_cast<double>(differences.size());
  Difference result;
  result.method = "bootstrap by fold";
  result.first = std::accumulate(first.begin(), first.end(), 0.0) / folds;
  result.second = std::accumulate(second.begin(), second.end(), 0.0) / folds;
  result.difference = std::accumulate(differences.begin(), differences.end(), 0.0) / folds;
  std::vector<double> replicates;
  for (int replicate = 0; replicate < options.replicates; ++replicate) {
    RandomStream random(options.seed, RandomPurpose::kBootstrap, 1, static_cast<std::uint64_t>(replicate));
    double sum = 0;
    for (std::size_t i = 0; i < differences.size(); ++i) sum += differences[random.below(differences.size())];
    replicates.push_back(sum / folds);
  }
  fill_from_replicates(std::move(replicates), result);
  return result;
}

}  // namespace qcface::eval
