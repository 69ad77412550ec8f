#include "harness/eval/measures/spearman.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace qcface::eval {

std::vector<double> average_ranks(std::span<const double> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(!std::isnan(values[i]), "Spearman correlation: value {} is NaN", i);
  }
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + 1 + end) / 2.0;  // mean of begin+1 .. end
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "Spearman correlation: {} values against {}", a.size(), b.size());
  if (a.size() < 2) return std::nullopt;
  const std::vector<double> ra = average_ranks(a);
  const std::vector<double> rb = average_ranks(b);
  const double mean = (static_cast<double>(a.size()) + 1) / 2;  // the mean of ranks, whatever the ties
  double aa = 0;
  double bb = 0;
  double ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    aa += (ra[i] - mean) * (ra[i] - mean);
    bb += (rb[i] - mean) * (rb[i] - mean);
    ab += (ra[i] - mean) * (rb[i] - mean);
  }
  if (aa == 0 || bb == 0) return std::nullopt;
  return ab / std::sqrt(aa * bb);
}

std::optional<double> kendall_tau_b(std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "Kendall correlation: {} values against {}", a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    require(!std::isnan(a[i]) && !std::isnan(b[i]), "Kendall correlation: value {} is NaN", i);
  std::vector<std::pair<double, double>> points(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) points[i] = {a[i], b[i]};
  std::sort(points.begin(), points.end());
  // Pairs inside runs of equal elements, all of which stand together.
  const auto tied = [](auto begin, auto end, auto equal) {
    double pairs = 0;
    for (auto first = begin; first != end;) {
      auto last = first;
      while (last != end && equal(*first, *last)) ++last;
      const double run = static_cast<double>(last - first);
      pairs += run * (run - 1) / 2;
      first = last;
    }
    return pairs;
  };
  const double tied_a =
      tied(points.begin(), points.end(), [](const auto& p, const auto& q) { return p.first == q.first; });
  const double tied_both = tied(points.begin(), points.end(), std::equal_to<>());
  std::vector<double> values, other(points.size());
  for (const auto& point : points) values.push_back(point.second);
  // Merge sort by b: an element that passes over others in front of it is discordant with each of them.
  double discordant = 0;
  for (std::size_t width = 1; width < values.size(); width *= 2) {
    for (std::size_t begin = 0; begin < values.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, values.size());
      const std::size_t end = std::min(begin + 2 * width, values.size());
      std::size_t left = begin, right = middle;
      for (std::size_t out = begin; out < end; ++out) {
        const bool from_right = left == middle || (right < end && values[right] < values[left]);
        if (from_right) discordant += static_cast<double>(middle - left);
        other[out] = values[from_right ? right++ : left++];
      }
    }
    values.swap(other);
  }
  const double tied_b = tied(values.begin(), values.end(), std::equal_to<>());
  const double n = static_cast<double>(points.size());
  const double pairs = n * (n - 1) / 2;
  if (pairs == tied_a || pairs == tied_b) return std::nullopt;  // also for fewer than two samples
  return (pairs - tied_a - tied_b + tied_both - 2 * discordant) /
         std::sqrt((pairs - tied_a) * (pairs - tied_b));
}

SpearmanBySource spearman_by_source(std::span<const double> magnitudes, std::span<const double> levels,
                                    std::span<const std::int64_t> sources) {
  require(magnitudes.size() == levels.size() && magnitudes.size() == sources.size(),
          "Spearman correlation by source: {} magnitudes, {} levels, {} sources", magnitudes.size(),
          levels.size(), sources.size());
  std::map<std::int64_t, std::size_t> place;
  std::vector<std::pair<std::vector<double>, std::vector<double>>> groups;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto [it, is_new] = place.try_emplace(sources[i], groups.size());
    if (is_new) groups.emplace_back();
    groups[it->second].first.push_back(magnitudes[i]);
    groups[it->second].second.push_back(levels[i]);
  }
  SpearmanBySource result;
  std::vector<double> defined;
  for (const auto& [group_magnitudes, group_levels] : groups) {
    result.rho.push_back(spearman(group_magnitudes, group_levels));
    if (result.rho.back()) {
      defined.push_back(*result.rho.back());
    } else {
      ++result.undefined;
    }
  }
  if (!defined.empty()) {
    const std::size_t n = defined.size();
    result.mean = std::accumulate(defined.begin(), defined.end(), 0.0) / static_cast<double>(n);
    std::sort(defined.begin(), defined.end());
    result.median = n % 2 ? defined[n / 2] : (defined[n / 2 - 1] + defined[n / 2]) / 2;
  }
  return result;
}

}  // namespace qcface::eval
