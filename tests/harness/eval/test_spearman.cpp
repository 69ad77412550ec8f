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
