#include "harness/eval/measures/spearman.h"

#include <limits>

#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;

TEST_CASE("Spearman correlation is undefined for constants and single samples") {
  const std::vector<double> constant{2, 2, 2}, rising{1, 2, 3}, one{1};
  REQUIRE(!spearman(constant, rising).has_value());
  REQUIRE(!spearman(rising, constant).has_value());
  REQUIRE(!spearman(one, one).has_value());
  REQUIRE(spearman(rising, rising).value() == 1);
}

TEST_CASE("Spearman correlation agrees with the rank difference formula when there are no ties") {
  RandomStream random(2, RandomPurpose::kTest);
  std::vector<double> a, b;
  for (int i = 0; i < 50; ++i) {
    a.push_back(random.normal());
    b.push_back(a.back() + random.normal());
  }
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double ra = 1, rb = 1;
    for (std::size_t k = 0; k < a.size(); ++k) {
      ra += a[k] < a[i];
      rb += b[k] < b[i];
    }
    sum += (ra - rb) * (ra - rb);
  }
  const double n = static_cast<double>(a.size());
  REQUIRE(std::fabs(spearman(a, b).value() - (1 - 6 * sum / (n * (n * n - 1)))) <= 1e-12);
}

TEST_CASE("sources with constant magnitudes are counted, not averaged") {
  const std::vector<double> magnitudes{5, 4, 3, 7, 7, 7};
  const std::vector<double> levels{0, 1, 2, 0, 1, 2};
  const std::vector<std::int64_t> sources{9, 9, 9, 4, 4, 4};
  const SpearmanBySource result = spearman_by_source(magnitudes, levels, sources);
  REQUIRE(result.undefined == 1);
  REQUIRE(result.mean.value() == -1);
  REQUIRE(result.median.value() == -1);
  REQUIRE(!result.rho[1].has_value());
}

TEST_CASE("Spearman correlation refuses NaN") {
  const std::vector<double> bad{1, std::numeric_limits<double>::quiet_NaN()}, good{1, 2};
  REQUIRE(test::contains(test::error_of([&] { (void)spearman(bad, good); }), "value 1 is NaN"));
}

TEST_CASE("Kendall tau-b agrees with a count of all pairs, with ties on both sides") {
  RandomStream random(4, RandomPurpose::kTest);
  for (const int count : {2, 3, 17, 64, 201}) {
    std::vector<double> a, b;
    for (int i = 0; i < count; ++i) {
      a.push_back(std::round(3 * random.normal()));
      b.push_back(std::round(a.back() + 3 * random.normal()));
    }
    double concordant = 0, discordant = 0, tied_a = 0, tied_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = i + 1; j < a.size(); ++j) {
        const double sign = (a[i] - a[j]) * (b[i] - b[j]);
        concordant += sign > 0 ? 1 : 0;
        discordant += sign < 0 ? 1 : 0;
        tied_a += a[i] == a[j] ? 1 : 0;
        tied_b += b[i] == b[j] ? 1 : 0;
      }
    }
    const double pairs = 0.5 * count * (count - 1);
    CAPTURE(count);
    if (pairs == tied_a || pairs == tied_b) {
      REQUIRE(!kendall_tau_b(a, b).has_value());
      continue;
    }
    const double want = (concordant - discordant) / std::sqrt((pairs - tied_a) * (pairs - tied_b));
    REQUIRE(std::fabs(kendall_tau_b(a, b).value() - want) <= 1e-12);
  }
  const std::vector<double> constant{2, 2, 2}, rising{1, 2, 3}, one{1};
  REQUIRE(!kendall_tau_b(constant, rising).has_value());
  REQUIRE(!kendall_tau_b(rising, constant).has_value());
  REQUIRE(!kendall_tau_b(one, one).has_value());
  REQUIRE(kendall_tau_b(rising, rising).value() == 1);
}
