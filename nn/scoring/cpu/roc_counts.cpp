#include <algorithm>
#include <cstddef>

#include "core/error.h"
#include "nn/scoring/cpu/cpu_scorer.h"

namespace qcface::nn::scoring {
namespace {

struct Scored {
  double score;
  char same;
};

}  // namespace

RocCounts roc_counts(const RocRequest& request, int /*threads*/) {
  require(request.scores.size() == request.same.size(), "ROC: {} scores but {} labels", request.scores.size(),
          request.same.size());
  std::vector<Scored> sorted(request.scores.size());
  RocCounts counts;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sorted[i] = {request.scores[i], request.same[i]};
    (request.same[i] ? counts.same : counts.different) += 1;
  }
  // Only groups of equal scores matter below, so the order inside one is free.
  std::sort(sorted.begin(), sorted.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });

  std::vector<RocPoint> groups;
  std::int64_t false_accepts = 0, true_accepts = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    (sorted[i].same ? true_accepts : false_accepts) += 1;
    if (i + 1 == sorted.size() || sorted[i + 1].score != sorted[i].score) {
      const RocPoint before = groups.empty() ? RocPoint{} : groups.back();
      groups.push_back(
          {sorted[i].score, false_accepts, true_accepts, before.false_accepts, before.true_accepts});
    }
  }
  for (const std::int64_t rank : request.negative_ranks) {
    require(rank >= 0 && rank < counts.different, "ROC: rank {} of {} different pairs", rank,
            counts.different);
    const auto group = std::find_if(groups.begin(), groups.end(),
                                    [rank](const RocPoint& point) { return point.false_accepts > rank; });
    counts.negative_score.push_back(group->threshold);
    counts.same_above.push_back(group->true_above);
    counts.different_above.push_back(group->false_above);
  }
  const std::size_t n = groups.size();
  for (std::size_t i = 0; i < n; ++i) {
    bool keep = !request.thinned || n <= 2 || i == 0 || i + 1 == n;
    if (!keep) {
      const RocPoint &before = groups[i - 1], &here = groups[i], &after = groups[i + 1];
      keep = after.false_accepts - 2 * here.false_accepts + before.false_accepts != 0 ||
             after.true_accepts - 2 * here.true_accepts + before.true_accepts != 0;
    }
    if (keep) counts.points.push_back(groups[i]);
  }
  return counts;
}

}  // namespace qcface::nn::scoring
