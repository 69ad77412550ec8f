#include "nn/scoring/requests.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "core/error.h"

namespace qcface::nn::scoring {

void check(const IdentifyRequest& request) {
  const std::int64_t probes = request.probes.count, gallery = request.gallery.count;
  require(request.probes.width == request.gallery.width, "identification: probes are {} wide, the gallery {}",
          request.probes.width, request.gallery.width);
  require((request.probes.f32 == nullptr) == (request.gallery.f32 == nullptr) || probes == 0 || gallery == 0,
          "identification: probes and gallery are of two types, expected both in float or both in double");
  require(gallery <= std::numeric_limits<std::int32_t>::max(),
          "identification: a gallery of {} rows, expected fewer than 2^31", gallery);
  require(static_cast<std::int64_t>(request.mate_begin.size()) == probes + 1,
          "identification: mates of {} probes for {}", request.mate_begin.size(), probes);
  require(request.probes.width > 0, "identification: rows of {} values", request.probes.width);
  require(request.top >= 0 && request.impostors >= 0, "identification: the best {} rows, {} impostors",
          request.top, request.impostors);
  require(std::is_sorted(request.mate_begin.begin(), request.mate_begin.end()) &&
              request.mate_begin.front() == 0 &&
              request.mate_begin.back() == static_cast<std::int64_t>(request.mates.size()),
          "identification: the probes' mates are not {} in order", request.mates.size());
  for (const std::int32_t mate : request.mates)
    require(mate >= 0 && mate < gallery, "identification: mate {} of a gallery of {} rows", mate, gallery);
  for (const auto& [first, second] : request.parts) {
    require(first >= 0 && first <= second && second <= gallery,
            "identification: rows {} to {} of a gallery of {}", first, second, gallery);
  }
  require(std::fabs(request.rule.alpha) < kLongest && std::fabs(request.rule.beta) < kLongest,
          "identification: alpha {} and beta {}, expected numbers below {:g}", request.rule.alpha,
          request.rule.beta, kLongest);
}

void check(const RowsView& rows, std::span<const RowPair> pairs, std::span<double> out) {
  require(out.size() == pairs.size(), "pair scores: {} places for {} pairs", out.size(), pairs.size());
  for (const RowPair pair : pairs) {
    require(pair.a >= 0 && pair.b >= 0 && pair.a < rows.count && pair.b < rows.count,
            "pair scores: a pair of rows {} and {}, but there are {} rows", pair.a, pair.b, rows.count);
  }
}

void check_lengths(std::span<const double> lengths, std::int64_t first, const char* what) {
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    require(lengths[i] < kLongest,
            "identification: row {} of the {} has the length {}, expected a number below {:g}",
            first + static_cast<std::int64_t>(i), what, lengths[i], kLongest);
  }
}

IdentifyFound nothing_found(const IdentifyRequest& request) {
  const std::size_t probes = static_cast<std::size_t>(request.probes.count);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  IdentifyFound found;
  found.top = static_cast<int>(std::min<std::int64_t>(request.top, request.gallery.count));
  found.best_row.resize(probes * static_cast<std::size_t>(found.top));
  found.best_score.resize(found.best_row.size());
  found.mate_score.resize(request.mates.size());
  if (request.mate_ranks) found.mate_rank.resize(request.mates.size());
  found.part_score.assign(request.parts.size() * probes, -kInfinity);
  found.part_row.assign(found.part_score.size(), -1);
  found.lowest = kInfinity;
  found.highest = -kInfinity;
  return found;
}

RocCounts counted(const RocRequest& request) {
  require(request.scores.size() == request.same.size(), "ROC: {} scores but {} labels", request.scores.size(),
          request.same.size());
  const auto nan = std::find_if(request.scores.begin(), request.scores.end(),
                                [](double score) { return std::isnan(score); });
  require(nan == request.scores.end(), "ROC: score {} (counted from 0) is no number",
          nan - request.scores.begin());
  RocCounts counts;
  counts.same = std::count_if(request.same.begin(), request.same.end(), [](char same) { return same != 0; });
  counts.different = static_cast<std::int64_t>(request.same.size()) - counts.same;
  for (const std::int64_t rank : request.negative_ranks) {
    require(rank >= 0 && rank < counts.different, "ROC: rank {} of {} different pairs", rank,
            counts.different);
  }
  counts.negative_score.resize(request.negative_ranks.size());
  counts.same_above.resize(request.negative_ranks.size());
  counts.different_above.resize(request.negative_ranks.size());
  return counts;
}

}  // namespace qcface::nn::scoring
