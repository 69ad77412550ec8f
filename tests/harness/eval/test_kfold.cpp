// The 10-fold measures against plain loops over pairs and thresholds.
#include "harness/eval/measures/kfold.h"

#include <algorithm>

#include "harness/eval/measures/kfold_insightface.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;

namespace {

struct Reference {
  std::vector<double> accuracy;
  std::vector<int> index;
};

// accept(value, t): strict, as the protocol says.
template <class Accept>
Reference reference_folds(const std::vector<double>& values, const std::vector<char>& same,
                          const std::vector<double>& grid, Accept accept) {
  Reference reference;
  const int n = static_cast<int>(values.size());
  int begin = 0;
  for (int fold = 0; fold < 10; ++fold) {
    const int end = begin + n / 10 + (fold < n % 10);
    int best = -1, best_index = 0;
    for (int t = 0; t < static_cast<int>(grid.size()); ++t) {
      int right = 0;
      for (int i = 0; i < n; ++i) {
        if (i >= begin && i < end) continue;
        right += accept(values[i], grid[t]) == (same[i] != 0);
      }
      if (right > best) {
        best = right;
        best_index = t;
      }
    }
    int right = 0;
    for (int i = begin; i < end; ++i) right += accept(values[i], grid[best_index]) == (same[i] != 0);
    reference.accuracy.push_back(static_cast<double>(right) / (end - begin));
    reference.index.push_back(best_index);
    begin = end;
  }
  return reference;
}

}  // namespace

TEST_CASE("ten folds agree with plain loops, QCFace style") {
  for (const int pairs : {10, 11, 19, 60, 203}) {
    for (const double grain : {0.1, 1e-9}) {
      CAPTURE(pairs, grain);
      auto made = test::make_scores(static_cast<std::uint64_t>(pairs), pairs, 0.4, grain);
      made.same[0] = 1;
      made.same[1] = 0;
      made.scores[0] = made.scores[1] + 0.5;
      const KfoldResult result = kfold_accuracy(made.scores, made.same);
      const auto [low, high] = std::minmax_element(made.scores.begin(), made.scores.end());
      std::vector<double> grid;
      for (int i = 0; i < 599; ++i) grid.push_back(*low + i * ((*high - *low) / 599));
      grid.push_back(*high);
      const Reference reference =
          reference_folds(made.scores, made.same, grid, [](double value, double t) { return value > t; });
      for (std::size_t fold = 0; fold < 10; ++fold) {
        REQUIRE(result.folds[fold].threshold_index == reference.index[fold]);
        REQUIRE(result.folds[fold].accuracy == reference.accuracy[fold]);
      }
    }
  }
}

TEST_CASE("ten folds agree with plain loops, InsightFace style") {
  auto made = test::make_scores(5, 157, -0.5, 0.01);
  for (double& value : made.scores) value = std::clamp(std::round((value + 1) * 100) / 100, 0.0, 4.0);
  made.scores[3] = 4.0;
  made.scores[4] = 0.0;
  std::vector<double> grid;
  for (int i = 0; i < 400; ++i) grid.push_back(i * 0.01);
  const Reference reference =
      reference_folds(made.scores, made.same, grid, [](double value, double t) { return value < t; });
  const InsightFaceResult result = kfold_accuracy_insightface(made.scores, made.same);
  for (std::size_t fold = 0; fold < 10; ++fold) {
    REQUIRE(result.folds[fold].threshold_index == reference.index[fold]);
    REQUIRE(result.folds[fold].accuracy == reference.accuracy[fold]);
  }
}

TEST_CASE("random labels score near chance") {
  RandomStream random(3, RandomPurpose::kTest);
  std::vector<double> scores;
  std::vector<char> same;
  for (int i = 0; i < 20000; ++i) {
    scores.push_back(random.normal());
    same.push_back(random.coin(0.5) ? 1 : 0);
  }
  const KfoldResult result = kfold_accuracy(scores, same);
  REQUIRE(std::fabs(result.accuracy_mean - 0.5) <= 0.02);
  REQUIRE(std::fabs(result.auc_kfold - 0.5) <= 0.02);
  REQUIRE(std::fabs(result.eer - 0.5) <= 0.02);
}

TEST_CASE("VAL is 0 where the training FAR never reaches the target") {
  // All negatives at distance 4: no threshold of the grid accepts one.
  std::vector<double> distances;
  std::vector<char> same;
  for (int i = 0; i < 40; ++i) {
    same.push_back(i % 2 ? 1 : 0);
    distances.push_back(i % 2 ? 0.5 : 4.0);
  }
  const ValResult val = val_at_far_insightface(distances, same, 1e-3);
  REQUIRE(val.val_mean == 0);
  REQUIRE(val.far_mean == 0);
}

TEST_CASE("folds are consecutive and the first ones take the rest") {
  const auto folds = make_folds(203);
  REQUIRE(folds.size() == 10);
  REQUIRE(folds[0].begin == 0);
  REQUIRE(folds[2].end == 63);
  REQUIRE(folds[9].end == 203);
  for (std::size_t i = 1; i < folds.size(); ++i) REQUIRE(folds[i].begin == folds[i - 1].end);
}
