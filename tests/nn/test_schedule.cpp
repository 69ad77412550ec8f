#include <cmath>
#include <limits>

#include "core/error.h"
#include "nn/schedule.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

TEST_CASE("schedule: published drops multiply the rate as each listed epoch begins") {
  ScheduleConfig config;
  config.lr = 0.1;
  config.drop_epochs = {10, 18, 22};
  config.drop_ratio = 0.1;
  config.epochs = 25;
  config.steps_per_epoch = 1000;
  double rate = config.lr;  // what a trainer does that multiplies once a listed epoch
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    if (epoch == 10 || epoch == 18 || epoch == 22) rate *= 0.1;
    for (const std::int64_t step : {0, 1, 999}) REQUIRE(learning_rate(config, epoch, step) == rate);
  }
  REQUIRE(learning_rate(config, 0, 0) == 0.1);
  REQUIRE(std::fabs(learning_rate(config, 24, 0) - 1e-4) <= 1e-18);
}

TEST_CASE("schedule: order of the list does not matter and epoch 0 may drop") {
  ScheduleConfig config;
  config.lr = 1;
  config.drop_epochs = {3, 0, 1};
  config.drop_ratio = 0.5;
  REQUIRE(learning_rate(config, 0, 5) == 0.5);
  REQUIRE(learning_rate(config, 2, 0) == 0.25);
  REQUIRE(learning_rate(config, 3, 0) == 0.125);
}

TEST_CASE("schedule: warm-up is linear and crosses epochs") {
  ScheduleConfig config;
  config.lr = 0.4;
  config.steps_per_epoch = 4;
  config.warmup_steps = 8;
  for (int k = 0; k < 12; ++k) {
    const double expected = k < 8 ? 0.4 * (k + 1) / 8 : 0.4;
    REQUIRE(std::fabs(learning_rate(config, k / 4, k % 4) - expected) <= 1e-15);
  }
}

TEST_CASE("schedule: cosine from the base rate to the final one") {
  ScheduleConfig config;
  config.kind = ScheduleKind::kCosine;
  config.lr = 0.2;
  config.final_lr = 0.02;
  config.epochs = 10;
  config.steps_per_epoch = 10;
  REQUIRE(learning_rate(config, 0, 0) == 0.2);
  REQUIRE(std::fabs(learning_rate(config, 5, 0) - 0.11) <= 1e-15);
  REQUIRE(std::fabs(learning_rate(config, 10, 0) - 0.02) <= 1e-15);
  double last = 1;
  for (int k = 0; k < 100; ++k) {
    const double rate = learning_rate(config, k / 10, k % 10);
    REQUIRE(rate < last);
    last = rate;
  }
  config.warmup_steps = 20;
  REQUIRE(std::fabs(learning_rate(config, 0, 9) - 0.1) <= 1e-15);
  REQUIRE(std::fabs(learning_rate(config, 1, 9) - 0.2) <= 1e-15);
  REQUIRE(std::fabs(learning_rate(config, 6, 0) - 0.11) <= 1e-15);
}

TEST_CASE("schedule: bad fields are named") {
  const auto message = [](auto change) {
    ScheduleConfig config;
    change(config);
    try {
      check_schedule(config);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message([](auto&) {}).empty());
  CHECK(message([](auto& c) { c.lr = std::numeric_limits<double>::quiet_NaN(); }).find("lr") !=
        std::string::npos);
  CHECK(message([](auto& c) { c.drop_ratio = -1; }).find("drop_ratio") != std::string::npos);
  CHECK(message([](auto& c) { c.epochs = 0; }).find("epochs") != std::string::npos);
  CHECK(message([](auto& c) { c.steps_per_epoch = 0; }).find("steps_per_epoch") != std::string::npos);
  CHECK(message([](auto& c) { c.warmup_steps = -1; }).find("warmup") != std::string::npos);
  CHECK(message([](auto& c) { c.drop_epochs = {4, -2}; }).find("-2") != std::string::npos);
  CHECK(message([](auto& c) {
          c.kind = ScheduleKind::kCosine;
          c.warmup_steps = 1;
        }).find("cosine") != std::string::npos);
}
