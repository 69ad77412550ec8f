// Counts of a ROC curve on the CPU, against one sort of everything and a look at every group.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "tests/nn/scoring_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

RocCounts plain_counts(const RocRequest& request) {
  std::vector<std::size_t> order(request.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return request.scores[a] > request.scores[b]; });
  RocCounts counts;
  std::vector<RocPoint> groups;
  for (const std::size_t i : order) {
    if (groups.empty() || groups.back().threshold != request.scores[i]) {
      groups.push_back({request.scores[i], counts.different, counts.same, counts.different, counts.same});
    }
    (request.same[i] ? counts.same : counts.different) += 1;
    groups.back().false_accepts = counts.different;
    groups.back().true_accepts = counts.same;
  }
  for (const std::int64_t rank : request.negative_ranks) {
    for (const RocPoint& group : groups) {
      if (group.false_accepts <= rank) continue;
      counts.negative_score.push_back(group.threshold);
      counts.same_above.push_back(group.true_above);
      counts.different_above.push_back(group.false_above);
      break;
    }
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto bend = [&](auto member) {
      return groups[i + 1].*member - 2 * groups[i].*member + groups[i - 1].*member != 0;
    };
    if (!request.thinned || i == 0 || i + 1 == groups.size() || bend(&RocPoint::false_accepts) ||
        bend(&RocPoint::true_accepts))
      counts.points.push_back(groups[i]);
  }
  return counts;
}

struct Scores {
  std::vector<double> scores;
  std::vector<char> same;
};
// grain 0: no ties.
Scores make_scores(std::size_t count, double grain, double share_same) {
  RandomStream random(count, RandomPurpose::kTest);
  Scores made;
  for (std::size_t i = 0; i < count; ++i) {
    const bool same = random.coin(share_same);
    const double score = random.normal() * 0.3 + (same ? 0.5 : -0.1);
    made.scores.push_back(grain > 0 ? std::round(score / grain) * grain : score);
    made.same.push_back(same ? 1 : 0);
  }
  return made;
}

}  // namespace

TEST_CASE("ROC counts agree with one sort of everything, ties and ranges of scores included") {
  for (const std::size_t count : {1, 2, 3, 10, 500, 5000, 100'000}) {
    for (const double grain : {0.0, 0.001, 0.25, 1000.0}) {  // the last: all scores are equal
      for (const double share_same : {0.0, 0.02, 0.5, 1.0}) {
        const Scores made = make_scores(count, grain, share_same);
        const auto different = std::count(made.same.begin(), made.same.end(), 0);
        std::vector<std::int64_t> ranks;
        for (const std::int64_t rank : {different - 1, std::int64_t{0}, different / 3, std::int64_t{2}}) {
          if (rank >= 0 && rank < different) ranks.push_back(rank);
        }
        for (const bool thinned : {true, false}) {
          CAPTURE(count, grain, share_same, thinned);
          RocRequest request;
          request.scores = made.scores;
          request.same = made.same;
          request.thinned = thinned;
          request.negative_ranks = ranks;
          const RocCounts want = plain_counts(request);
          for (const int threads : {1, 2, 3}) test::require_same(scoring::roc_counts(request, threads), want);
        }
      }
    }
  }
}

TEST_CASE("ROC counts refuse what cannot be counted") {
  const std::vector<double> scores{1, 2, NAN};
  const std::vector<char> same{1, 0, 0};
  RocRequest request;
  request.scores = scores;
  request.same = same;
  REQUIRE_THROWS_WITH(scoring::roc_counts(request, 1),
                      test::contains("score 2 (counted from 0) is no number"));
  request.scores = std::span(scores).first(2);
  REQUIRE_THROWS_WITH(scoring::roc_counts(request, 1), test::contains("2 scores but 3 labels"));
  request.same = std::span(same).first(2);
  const std::int64_t rank[] = {1};
  request.negative_ranks = rank;
  REQUIRE_THROWS_WITH(scoring::roc_counts(request, 1), test::contains("rank 1 of 1 different pairs"));
}
