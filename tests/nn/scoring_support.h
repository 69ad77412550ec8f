// What the tests of scorers share: rows as views, the rules, findings that agree.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nn/scoring/scorer.h"
#include "tests/support/catch.h"

namespace qcface::test {

inline nn::RowsView view(const std::vector<float>& rows, std::int64_t width) {
  return {static_cast<std::int64_t>(rows.size()) / width, width, rows.data(), nullptr};
}
inline nn::RowsView view(const std::vector<double>& rows, std::int64_t width) {
  return {static_cast<std::int64_t>(rows.size()) / width, width, nullptr, rows.data()};
}

inline std::vector<nn::ScoreRule> rules() {
  return {{nn::ScoreRule::kCosine, 0, 0},
          {nn::ScoreRule::kQmf, 0.05298834571695404, 0.08483867351227943},
          {nn::ScoreRule::kEuclid, 0, 0}};
}

/// Equal, infinity too, but for the rounding of sums in another order.
inline bool near(double got, double want) {
  return got == want || std::fabs(got - want) <= 1e-12 * (1 + std::fabs(want));
}
inline void require_near(const char* what, const std::vector<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO(what << "[" << i << "] = " << got[i] << ", expected " << want[i]);
    REQUIRE(near(got[i], want[i]));
  }
}

/// Rows and ranks to the last, scores as near().
inline void require_same(const nn::IdentifyFound& got, const nn::IdentifyFound& want) {
  REQUIRE(got.top == want.top);
  REQUIRE(got.best_row == want.best_row);
  REQUIRE(got.mate_rank == want.mate_rank);
  REQUIRE(got.part_row == want.part_row);
  require_near("best_score", got.best_score, want.best_score);
  require_near("mate_score", got.mate_score, want.mate_score);
  require_near("impostor_scores", got.impostor_scores, want.impostor_scores);
  require_near("part_score", got.part_score, want.part_score);
  REQUIRE(near(got.lowest, want.lowest));
  REQUIRE(near(got.highest, want.highest));
}

/// To the last count.
inline void require_same(const nn::RocCounts& got, const nn::RocCounts& want) {
  REQUIRE(got.same == want.same);
  REQUIRE(got.different == want.different);
  REQUIRE(got.negative_score == want.negative_score);
  REQUIRE(got.same_above == want.same_above);
  REQUIRE(got.different_above == want.different_above);
  REQUIRE(got.points.size() == want.points.size());
  for (std::size_t i = 0; i < want.points.size(); ++i) {
    CAPTURE(i);
    const nn::RocPoint &a = got.points[i], &b = want.points[i];
    const bool equal = a.threshold == b.threshold && a.false_accepts == b.false_accepts &&
                       a.true_accepts == b.true_accepts && a.false_above == b.false_above &&
                       a.true_above == b.true_above;
    REQUIRE(equal);
  }
}

}  // namespace qcface::test
