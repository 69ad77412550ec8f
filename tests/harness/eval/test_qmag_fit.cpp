#include "harness/eval/measures/qmag_fit.h"

#include <algorithm>
#include <set>

#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;

TEST_CASE("training pairs: genuine pairs of at most ten pictures and ten impostors for each") {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 15; ++i) labels.push_back(0);
  for (int i = 0; i < 4; ++i) labels.push_back(1);
  labels.push_back(2);
  const DrawnPairs drawn = draw_training_pairs(labels, 42);
  std::int64_t genuine[3] = {0, 0, 0};
  std::set<std::int64_t> of_first;
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  std::int64_t impostors = 0;
  for (std::size_t i = 0; i < drawn.pairs.size(); ++i) {
    const auto [a, b] = drawn.pairs[i];
    const auto la = labels[static_cast<std::size_t>(a)], lb = labels[static_cast<std::size_t>(b)];
    REQUIRE((la == lb) == (drawn.same[i] != 0));
    if (la != lb) {
      ++impostors;
      continue;
    }
    REQUIRE(a != b);
    REQUIRE(seen.insert({std::min(a, b), std::max(a, b)}).second);
    ++genuine[la];
    if (la == 0) of_first.insert({a, b});
  }
  REQUIRE(genuine[0] == 45);
  REQUIRE(genuine[1] == 6);
  REQUIRE(genuine[2] == 0);
  REQUIRE(of_first.size() == 10);
  REQUIRE(impostors == 10 * 51);

  const DrawnPairs again = draw_training_pairs(labels, 42);
  REQUIRE(again.pairs == drawn.pairs);
  REQUIRE(again.same == drawn.same);
  REQUIRE(draw_training_pairs(labels, 43).pairs != drawn.pairs);
}

TEST_CASE("fit: a target without a point is skipped, and all of them are an error") {
  // Genuine pairs never beat the top impostor at any weight: equal qualities, impostor cosines higher.
  std::vector<double> s, q;
  std::vector<char> same;
  for (int i = 0; i < 40; ++i) {
    s.push_back(i % 2 ? 0.1 : 0.9);
    q.push_back(20);
    same.push_back(i % 2 ? 1 : 0);
  }
  const std::string message = test::error_of([&] { (void)fit_qmag(s, q, same); });
  REQUIRE(test::contains(message, "no genuine pair scores above the highest impostor"));
}

TEST_CASE("fit: one threshold for all targets gives no slope and says so") {
  std::vector<double> s, q;
  std::vector<char> same;
  for (int i = 0; i < 40; ++i) {
    s.push_back(i % 2 ? 0.9 : 0.1);
    q.push_back(20);
    same.push_back(i % 2 ? 1 : 0);
  }
  const QmagFit fit = fit_qmag(s, q, same);
  REQUIRE(fit.constant_threshold);
  REQUIRE(fit.beta == 0);
  REQUIRE(std::fabs(fit.alpha - fit.max_omega) <= 1e-15);  // the first weight wins among equals
}

TEST_CASE("fit: bad input is named") {
  const std::vector<double> s{0.5, 0.1}, q{0, 0};
  const std::vector<double> nan_q{1, std::nan("")};
  const std::vector<char> same{1, 0};
  REQUIRE(test::contains(test::error_of([&] { (void)fit_qmag(s, q, same); }), "magnitude above 0"));
  REQUIRE(
      test::contains(test::error_of([&] { (void)fit_qmag(s, nan_q, same); }), "magnitude of pair 1 is nan"));
  const std::vector<std::int64_t> one{3, 3, 3}, single{1, 2, 3};
  REQUIRE(test::contains(test::error_of([&] { (void)draw_training_pairs(one, 0); }), "two identities"));
  REQUIRE(test::contains(test::error_of([&] { (void)draw_training_pairs(single, 0); }), "no genuine pair"));
}
