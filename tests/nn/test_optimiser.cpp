#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "nn/optimiser.h"
#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

/// The sequence of golden-formats.md in double: gradients of step k are tensor(seed, 10 + k).
struct Reference {
  std::vector<double> p, v;
  void step(int k, std::span<const float> g, double lr, double momentum, double decay) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double decayed = static_cast<double>(g[i]) + decay * p[i];
      v[i] = k == 0 ? decayed : momentum * v[i] + decayed;
      p[i] -= lr * v[i];
    }
  }
};

void follow(std::size_t count, int threads) {
  std::vector<float> p = test::tensor(5, 1, count, 0, 2), v(count);
  Reference reference{{p.begin(), p.end()}, std::vector<double>(count, 0)};
  for (int k = 0; k < 20; ++k) {
    const std::vector<float> g = test::tensor(5, 10 + static_cast<std::uint32_t>(k), count, 0, 1);
    const float lr = k < 12 ? 0.2f : 0.02f;
    update_weights(p, g, v, lr, {0.9f, 5e-4f}, threads);
    reference.step(k, g, static_cast<double>(lr), static_cast<double>(0.9f), static_cast<double>(5e-4f));
    for (std::size_t i = 0; i < count; ++i) {
      // A few roundings of numbers up to about 10 a step.
      REQUIRE(std::fabs(static_cast<double>(p[i]) - reference.p[i]) <= 3e-7 * (k + 1) * 3);
      REQUIRE(std::fabs(static_cast<double>(v[i]) - reference.v[i]) <= 1e-6 * (k + 1));
    }
  }
}

}  // namespace

TEST_CASE("sgd: twenty steps against double") {
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{33}, std::size_t{1000}})
    follow(count, 1);
}

TEST_CASE("sgd: same bits for every number of threads") {
  const std::size_t count = 64 * 1024 * 3 + 5;
  std::vector<std::vector<float>> ends;
  for (const int threads : {1, 2, 5}) {
    std::vector<float> p = test::tensor(6, 1, count, 0, 1), v(count);
    for (int k = 0; k < 3; ++k)
      update_weights(p, test::tensor(6, 2, count, 0, 1), v, 0.1f, {0.9f, 5e-4f}, threads);
    ends.push_back(p);
  }
  REQUIRE(ends[0] == ends[1]);
  REQUIRE(ends[0] == ends[2]);
}

TEST_CASE("sgd: nothing happens on empty spans, and bad spans are refused") {
  std::vector<float> p(4), g(4), v(3);
  update_weights({}, {}, {}, 0.1f, {});
  REQUIRE_THROWS_AS(update_weights(p, g, v, 0.1f, {}), Error);
  REQUIRE_THROWS_AS(update_weights(p, p, g, 0.1f, {}), Error);
}

TEST_CASE("all_finite sees NaN and both infinities anywhere") {
  std::vector<float> values(200001, 1.0f);
  values[3] = std::numeric_limits<float>::max();
  values[4] = std::numeric_limits<float>::denorm_min();
  REQUIRE(all_finite(values, 2));
  REQUIRE(all_finite({}));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t i : {std::size_t{0}, std::size_t{65536}, std::size_t{200000}}) {
      const float kept = std::exchange(values[i], bad);
      REQUIRE_FALSE(all_finite(values, 2));
      values[i] = kept;
    }
  }
}
