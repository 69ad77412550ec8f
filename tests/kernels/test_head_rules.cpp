// The formulas of every head by themselves, and of the example in docs/examples: the slopes they state are the derivatives
// of the logits they state, wherever the choice of branch is the same on both sides.
#include <cmath>
#include <string>

#include "docs/examples/combined_head.h"
#include "kernels/heads/table.h"
#include "tests/support/catch.h"

namespace qcface::kernels {
namespace {

template <class Head>
qcf_head_config config_of() {
  qcf_head_config config;
  qcf_head_config_init(&config, QCF_HEAD_QCFACE);
  config.rule = Head::kDefaults.rule;
  config.m = Head::kDefaults.m;
  config.s_min = 1e-9;
  return config;
}

template <class Head>
int check_target(qcf_rule rule) {
  qcf_head_config config = config_of<Head>();
  config.rule = rule;
  const TargetParams params = make_target_params(config);
  const auto at = [&](double theta, double z) {
    return Head::target(params, {std::cos(theta), std::sin(theta), z, 21.0, 9.0});
  };
  constexpr double kStep = 1e-6;
  int checked = 0;
  for (double theta = 0.08; theta < 3.1; theta += 0.0437) {
    for (const double z : {0.5, 11.0, 27.0, 60.0, 109.0, 140.0}) {
      const TargetValue value = at(theta, z), below = at(theta - kStep, z), above = at(theta + kStep, z);
      // a jump or a kink within the step: nothing to compare
      if (std::fabs(below.slope - above.slope) > 1e-3 || std::fabs(above.logit - below.logit) > 1e-3)
        continue;
      INFO(Head::kName << ", theta " << theta << ", z " << z);
      const double slope = (above.logit - below.logit) / (std::cos(theta + kStep) - std::cos(theta - kStep));
      REQUIRE(std::fabs(slope - value.slope) <= 1e-6 * (1 + std::fabs(slope)));
      if (Head::kState != State::kLengthStats) {  // AdaFace's length is detached
        const double along = (at(theta, z + kStep).logit - at(theta, z - kStep).logit) / (2 * kStep);
        REQUIRE(std::fabs(along - value.length_slope) <= 1e-7);
      } else {
        REQUIRE(value.length_slope == 0);
      }
      ++checked;
    }
  }
  return checked;
}

template <class Head>
void check_negatives() {
  using Rule = typename Head::Negatives;
  for (const float margin : {-0.6f, 0.0f, 0.37f, 2.0f}) {
    const NegativeParams params{0.3f, 1.12f};
    for (float c = -0.995f; c < 1.0f; c += 0.0171f) {
      const float step = 1e-3f;
      const Negative value = Rule::negative(params, c, margin),
                     below = Rule::negative(params, c - step, margin),
                     above = Rule::negative(params, c + step, margin);
      if (below.hard != above.hard || std::fabs(below.slope - above.slope) > 0.01f) continue;
      INFO(Head::kName << ", c " << c << ", margin " << margin);
      REQUIRE(std::fabs((above.logit - below.logit) / (2 * step) - value.slope) <= 1e-3f);
      REQUIRE(value.logit >= -1.0f);
      REQUIRE(value.hard == (Rule::kHasHard && c > margin));
    }
    // the mark of a column that does not count
    REQUIRE(std::exp(64.0f * Rule::negative(params, -1e18f, margin).logit) == 0.0f);
  }
}

template <class Head>
void check_magnitude() {
  const MagnitudeParams params = make_row_params(config_of<Head>(), 1).magnitude;
  for (double z = 0.5; z < 130; z *= 1.31) {
    for (const double p : {0.0, 0.3, 1.0}) {
      const double step = 1e-5;
      const auto value = [&](double at) { return Head::MagnitudeLoss::value(params, at, p); };
      const double slope = (value(z + step).excess - value(z - step).excess) / (2 * step);
      INFO(Head::kName << ", z " << z << ", p " << p);
      // a few digits of the excess, which is large at small z, are lost to the difference
      REQUIRE(std::fabs(slope - value(z).slope) <= 1e-5 * (1 + std::fabs(value(z).excess)));
      REQUIRE((Head::MagnitudeLoss::kExists || value(z).excess == 0));
    }
  }
}

template <class Head>
void check_head() {
  for (const qcf_rule rule : {QCF_RULE_EASY, QCF_RULE_THRESHOLD, QCF_RULE_NONE}) {
    REQUIRE(check_target<Head>(rule) > 250);
  }
  check_negatives<Head>();
  check_magnitude<Head>();
}

template <class... Heads>
void check_all(HeadPack<Heads...>) {
  (check_head<Heads>(), ...);
}

TEST_CASE("head rules: slopes are derivatives, for every head of the list") { check_all(HeadList{}); }

TEST_CASE("head rules: the example of docs/adding-a-head.md") {
  check_head<CombinedHead>();
  const TargetParams params = make_target_params(config_of<CombinedHead>());
  const double theta = 0.9, m = CombinedHead::kDefaults.m;
  const TargetValue value = CombinedHead::target(params, {std::cos(theta), std::sin(theta), 20, 0, 0});
  REQUIRE(std::fabs(value.logit - (std::cos(theta + m) - 0.1)) <= 1e-12);
}

}  // namespace
}  // namespace qcface::kernels
