#include "harness/eval/measures/spearman.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

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
