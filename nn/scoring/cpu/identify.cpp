#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "nn/scoring/rule.h"

namespace qcface::nn::scoring {
namespace {

double value(const RowsView& rows, std::int64_t row, std::int64_t column) {
  const std::int64_t at = row * rows.width + column;
  return rows.f32 != nullptr ? static_cast<double>(rows.f32[at]) : rows.f64[at];
}

double length(const RowsView& rows, std::int64_t row) {
  double sum = 0;
  for (std::int64_t d = 0; d < rows.width; ++d) sum += value(rows, row, d) * value(rows, row, d);
  return std::sqrt(sum);
}

}  // namespace

IdentifyFound identify(const IdentifyRequest& request, int /*threads*/) {
  const std::int64_t probes = request.probes.count, gallery = request.gallery.count;
  require(request.probes.width == request.gallery.width, "identification: probes are {} wide, the gallery {}",
          request.probes.width, request.gallery.width);
  require(static_cast<std::int64_t>(request.mate_begin.size()) == probes + 1,
          "identification: mates of {} probes for {}", request.mate_begin.size(), probes);
  IdentifyFound found;
  found.top = static_cast<int>(std::min<std::int64_t>(request.top, gallery));
  found.mate_score.resize(request.mates.size());
  if (request.mate_ranks) found.mate_rank.resize(request.mates.size());
  found.part_score.assign(request.parts.size() * static_cast<std::size_t>(probes),
                          -std::numeric_limits<double>::infinity());
  found.part_row.assign(found.part_score.size(), -1);
  found.lowest = std::numeric_limits<double>::infinity();
  found.highest = -found.lowest;
  std::vector<double> lengths(static_cast<std::size_t>(gallery)), scores(lengths.size());
  for (std::int64_t g = 0; g < gallery; ++g)
    lengths[static_cast<std::size_t>(g)] = length(request.gallery, g);
  std::vector<std::int32_t> order(scores.size());
  for (std::int64_t p = 0; p < probes; ++p) {
    const double probe_length = length(request.probes, p);
    for (std::int64_t g = 0; g < gallery; ++g) {
      double dot = 0;
      for (std::int64_t d = 0; d < request.probes.width; ++d)
        dot += value(request.probes, p, d) * value(request.gallery, g, d);
      scores[static_cast<std::size_t>(g)] =
          score_of(request.rule, dot, probe_length, lengths[static_cast<std::size_t>(g)]);
      found.lowest = std::min(found.lowest, scores[static_cast<std::size_t>(g)]);
      found.highest = std::max(found.highest, scores[static_cast<std::size_t>(g)]);
    }
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    for (int k = 0; k < found.top; ++k) {
      const std::int32_t row = order[static_cast<std::size_t>(k)];
      found.best_row.push_back(row);
      found.best_score.push_back(scores[static_cast<std::size_t>(row)]);
    }
    std::vector<char> is_mate(scores.size(), 0);
    for (std::int64_t m = request.mate_begin[static_cast<std::size_t>(p)];
         m < request.mate_begin[static_cast<std::size_t>(p) + 1]; ++m) {
      const std::int32_t row = request.mates[static_cast<std::size_t>(m)];
      is_mate[static_cast<std::size_t>(row)] = 1;
      found.mate_score[static_cast<std::size_t>(m)] = scores[static_cast<std::size_t>(row)];
      if (request.mate_ranks)
        found.mate_rank[static_cast<std::size_t>(m)] =
            std::find(order.begin(), order.end(), row) - order.begin();
    }
    for (std::size_t part = 0; part < request.parts.size(); ++part) {
      const std::size_t at = part * static_cast<std::size_t>(probes) + static_cast<std::size_t>(p);
      for (std::int64_t g = request.parts[part].first; g < request.parts[part].second; ++g) {
        const std::size_t row = static_cast<std::size_t>(g);
        if (is_mate[row] || scores[row] <= found.part_score[at]) continue;
        found.part_score[at] = scores[row];
        found.part_row[at] = static_cast<std::int32_t>(g);
      }
    }
    if (request.impostors > 0) {
      for (std::size_t row = 0; row < scores.size(); ++row) {
        if (!is_mate[row]) found.impostor_scores.push_back(scores[row]);
      }
      std::sort(found.impostor_scores.begin(), found.impostor_scores.end(), std::greater<>());
      if (static_cast<std::int64_t>(found.impostor_scores.size()) > request.impostors)
        found.impostor_scores.resize(static_cast<std::size_t>(request.impostors));
    }
    if (request.progress) request.progress(p + 1, probes);
  }
  return found;
}

}  // namespace qcface::nn::scoring
