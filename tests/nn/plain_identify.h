// Identification as its contract reads (nn/scoring/scorer.h), with every score kept and sorted. For small cases.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "nn/scoring/scorer.h"

namespace qcface::test {

inline double plain_value(const nn::RowsView& rows, std::int64_t row, std::int64_t column) {
  const std::int64_t at = row * rows.width + column;
  return rows.f32 != nullptr ? static_cast<double>(rows.f32[at]) : rows.f64[at];
}
inline double plain_dot(const nn::RowsView& a, std::int64_t i, const nn::RowsView& b, std::int64_t j) {
  double sum = 0;
  for (std::int64_t d = 0; d < a.width; ++d) sum += plain_value(a, i, d) * plain_value(b, j, d);
  return sum;
}

inline double plain_score(const nn::IdentifyRequest& request, std::int64_t probe, std::int64_t row) {
  const double length1 = std::sqrt(plain_dot(request.probes, probe, request.probes, probe));
  const double length2 = std::sqrt(plain_dot(request.gallery, row, request.gallery, row));
  if (request.rule.kind == nn::ScoreRule::kEuclid) {
    double sum = 0;
    for (std::int64_t d = 0; d < request.probes.width; ++d) {
      const double v = plain_value(request.probes, probe, d) - plain_value(request.gallery, row, d);
      sum += v * v;
    }
    return -std::sqrt(sum);
  }
  const double s = plain_dot(request.probes, probe, request.gallery, row) /
                   ((length1 > 0 ? length1 : 1) * (length2 > 0 ? length2 : 1));
  if (request.rule.kind == nn::ScoreRule::kCosine) return s;
  return s + std::min(0.0, request.rule.beta * s - request.rule.alpha) * std::min(length1, length2);
}

using PlainScore = std::function<double(std::int64_t probe, std::int64_t row)>;

inline nn::IdentifyFound plain_identify(const nn::IdentifyRequest& request, const PlainScore& score) {
  const std::int64_t probes = request.probes.count, gallery = request.gallery.count;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  nn::IdentifyFound found;
  found.top = static_cast<int>(std::min<std::int64_t>(request.top, gallery));
  found.mate_score.resize(request.mates.size());
  if (request.mate_ranks) found.mate_rank.resize(request.mates.size());
  found.part_score.assign(request.parts.size() * static_cast<std::size_t>(probes), -kInfinity);
  found.part_row.assign(found.part_score.size(), -1);
  found.lowest = kInfinity;
  found.highest = -kInfinity;
  std::vector<double> scores(static_cast<std::size_t>(gallery));
  std::vector<std::int32_t> order(scores.size());
  for (std::int64_t probe = 0; probe < probes; ++probe) {
    const std::size_t p = static_cast<std::size_t>(probe);
    for (std::int64_t row = 0; row < gallery; ++row) {
      const double value = scores[static_cast<std::size_t>(row)] = score(probe, row);
      found.lowest = std::min(found.lowest, value);
      found.highest = std::max(found.highest, value);
    }
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    for (int k = 0; k < found.top; ++k) {
      found.best_row.push_back(order[static_cast<std::size_t>(k)]);
      found.best_score.push_back(scores[static_cast<std::size_t>(found.best_row.back())]);
    }
    std::vector<char> is_mate(scores.size(), 0);
    for (std::int64_t at = request.mate_begin[p]; at < request.mate_begin[p + 1]; ++at) {
      const std::size_t m = static_cast<std::size_t>(at);
      const std::int32_t row = request.mates[m];
      is_mate[static_cast<std::size_t>(row)] = 1;
      found.mate_score[m] = scores[static_cast<std::size_t>(row)];
      if (request.mate_ranks) found.mate_rank[m] = std::find(order.begin(), order.end(), row) - order.begin();
    }
    for (std::size_t part = 0; part < request.parts.size(); ++part) {
      const std::size_t at = part * static_cast<std::size_t>(probes) + p;
      for (std::int64_t g = request.parts[part].first; g < request.parts[part].second; ++g) {
        const std::size_t row = static_cast<std::size_t>(g);
        if (is_mate[row] || scores[row] <= found.part_score[at]) continue;
        found.part_score[at] = scores[row];
        found.part_row[at] = static_cast<std::int32_t>(g);
      }
    }
    for (std::size_t row = 0; request.impostors > 0 && row < scores.size(); ++row) {
      if (!is_mate[row]) found.impostor_scores.push_back(scores[row]);
    }
  }
  std::sort(found.impostor_scores.begin(), found.impostor_scores.end(), std::greater<>());
  if (static_cast<std::int64_t>(found.impostor_scores.size()) > request.impostors)
    found.impostor_scores.resize(static_cast<std::size_t>(request.impostors));
  return found;
}
inline nn::IdentifyFound plain_identify(const nn::IdentifyRequest& request) {
  return plain_identify(request, [&](std::int64_t p, std::int64_t g) { return plain_score(request, p, g); });
}

}  // namespace qcface::test
