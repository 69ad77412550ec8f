#include "harness/eval/measures/roc.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;

TEST_CASE("ROC points agree with counting at every distinct score") {
  for (const int pairs : {2, 3, 10, 151}) {
    for (const double grain : {0.25, 0.01}) {
      CAPTURE(pairs, grain);
      auto made = test::make_scores(static_cast<std::uint64_t>(pairs) + 7, pairs, 0.3, grain);
      made.same[0] = 1;
      made.same[1] = 0;
      const Roc roc = compute_roc(made.scores, made.same, RocPoints::kAll);
      std::vector<double> distinct = made.scores;
      std::sort(distinct.begin(), distinct.end(), std::greater<>());
      distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
      REQUIRE(roc.points.size() == distinct.size() + 1);
      REQUIRE(roc.points[0].threshold == std::numeric_limits<double>::infinity());
      for (std::size_t i = 0; i < distinct.size(); ++i) {
        std::int64_t tp = 0, fp = 0;
        for (std::size_t k = 0; k < made.scores.size(); ++k) {
          if (made.scores[k] >= distinct[i]) (made.same[k] ? tp : fp) += 1;
        }
        REQUIRE(roc.points[i + 1].threshold == distinct[i]);
        REQUIRE(roc.points[i + 1].true_accepts == tp);
        REQUIRE(roc.points[i + 1].false_accepts == fp);
        REQUIRE(roc.points[i + 1].true_above == roc.points[i].true_accepts);
        REQUIRE(roc.points[i + 1].false_above == roc.points[i].false_accepts);
      }
      // The area equals the probability that a genuine score beats an impostor score, ties counting half.
      double wins = 0;
      for (std::size_t a = 0; a < made.scores.size(); ++a) {
        for (std::size_t b = 0; b < made.scores.size(); ++b) {
          if (!made.same[a] || made.same[b]) continue;
          wins += made.scores[a] > made.scores[b] ? 1.0 : made.scores[a] == made.scores[b] ? 0.5 : 0.0;
        }
      }
      const double want = wins / static_cast<double>(roc.same * roc.different);
      REQUIRE(std::fabs(auc(roc) - want) <= 1e-12);
      const Roc thinned = compute_roc(made.scores, made.same);
      REQUIRE(std::fabs(auc(thinned) - want) <= 1e-12);
      REQUIRE(thinned.points.size() <= roc.points.size());
    }
  }
}

TEST_CASE("strict TAR never exceeds its FAR target and is the largest that does not") {
  const auto made = test::make_scores(11, 3000, 0.5, 0.02);
  const Roc roc = compute_roc(made.scores, made.same);
  for (const TarRow& row : tar_at_far(roc, made.scores, made.same)) {
    CAPTURE(row.far);
    REQUIRE(row.far_strict <= row.far + 1e-12);
    double best = 0;  // over all thresholds whose strict FAR stays within the target
    for (const double t : made.scores) {
      double fp = 0, tp = 0;
      for (std::size_t i = 0; i < made.scores.size(); ++i) {
        if (made.scores[i] > t) (made.same[i] ? tp : fp) += 1;
      }
      if (fp / static_cast<double>(roc.different) <= row.far)
        best = std::max(best, tp / static_cast<double>(roc.same));
    }
    REQUIRE(row.tar_strict >= best - 1e-12);
    REQUIRE(row.resolvable == (row.far * static_cast<double>(roc.different) >= 1));
  }
}

TEST_CASE("perfect and reversed scores") {
  const std::vector<double> scores{3, 3, 2, 1, 0, 0};
  const std::vector<char> same{1, 1, 1, 0, 0, 0};
  const std::vector<char> reversed{0, 0, 0, 1, 1, 1};
  REQUIRE(auc(compute_roc(scores, same)) == 1);
  REQUIRE(auc(compute_roc(scores, reversed)) == 0);
  const RocSummary summary = summarize(compute_roc(scores, same));
  REQUIRE(summary.best_accuracy == 1);
  REQUIRE(summary.best_threshold == 1);  // strict: accept score > 1
  REQUIRE(summary.eer == 0);
}

TEST_CASE("a FAR target of one accepts everything") {
  const std::vector<double> scores{2, 1, 1, 0};
  const std::vector<char> same{1, 0, 1, 0};
  const double everything[] = {1.0};
  const auto rows = tar_at_far(compute_roc(scores, same), scores, same, everything);
  REQUIRE(rows[0].tar_strict == 1);
  REQUIRE(rows[0].tar_nearest == 1);
}
