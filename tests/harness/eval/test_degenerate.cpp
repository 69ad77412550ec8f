// Input that no measure can be taken of: every function says what is wrong with it.
#include <limits>

#include "harness/eval/protocols/verify.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::contains;
using qcface::test::error_of;

namespace {

struct Input {
  std::vector<double> scores = std::vector<double>(30);
  std::vector<char> same = std::vector<char>(30);
  Input() {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = 0.01 * static_cast<double>(i * 7 % 30);
      same[i] = i % 2 ? 1 : 0;
    }
  }
};

std::string measure_error(const Input& input) {
  return error_of([&] { (void)measure(input.scores, input.same); });
}
std::string insightface_error(const Input& input) {
  return error_of([&] { (void)kfold_accuracy_insightface(input.scores, input.same); });
}

}  // namespace

TEST_CASE("degenerate: the unspoilt input has no error") {
  REQUIRE(measure_error(Input()) == "");
  REQUIRE(insightface_error(Input()) == "");
}

TEST_CASE("degenerate: pairs of one kind only") {
  Input input;
  input.same.assign(30, 0);
  REQUIRE(contains(measure_error(input), "none of the 30 pairs shows the same person"));
  REQUIRE(contains(insightface_error(input), "none of the 30 pairs shows the same person"));
  input.same.assign(30, 1);
  REQUIRE(contains(measure_error(input), "none of the 30 pairs shows different people"));
}

TEST_CASE("degenerate: fewer pairs than folds, and none") {
  Input input;
  input.scores.resize(9);
  input.same.resize(9);
  REQUIRE(measure_error(input) == "");  // a curve, and no folds
  REQUIRE(!measure(input.scores, input.same).kfold.has_value());
  REQUIRE(contains(insightface_error(input), "9 pairs are fewer than the 10 folds"));
  input.scores.clear();
  input.same.clear();
  REQUIRE(contains(measure_error(input), "no pair to measure"));
}

TEST_CASE("degenerate: all scores equal") {
  Input input;
  input.scores.assign(30, 0.25);
  REQUIRE(contains(measure_error(input), "all 30 scores are equal (0.25)"));
}

TEST_CASE("degenerate: NaN and infinity") {
  Input input;
  input.scores[17] = std::numeric_limits<double>::quiet_NaN();
  REQUIRE(contains(measure_error(input), "the score of pair 17 (counted from 0) is nan"));
  input.scores[17] = -std::numeric_limits<double>::infinity();
  REQUIRE(contains(measure_error(input), "is -inf"));
}

TEST_CASE("degenerate: sizes differ") {
  Input input;
  input.same.pop_back();
  REQUIRE(contains(measure_error(input), "30 scores but 29 labels"));
}
