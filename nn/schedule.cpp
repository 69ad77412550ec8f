#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace qcface::nn {

double learning_rate(const ScheduleConfig& config, int epoch, std::int64_t step) {
  const std::int64_t k = epoch * config.steps_per_epoch + step;
  double rate = config.lr;
  if (config.kind == ScheduleKind::kStep) {
    // A product rather than pow(): the same bits as multiplying the rate at each drop, as the published trainer does.
    for (const int drop : config.drop_epochs) {
      if (drop <= epoch) rate *= config.drop_ratio;
    }
  } else {
    const double length = static_cast<double>(config.epochs * config.steps_per_epoch - config.warmup_steps);
    const double u = std::clamp(static_cast<double>(k - config.warmup_steps) / length, 0.0, 1.0);
    rate = config.final_lr + (config.lr - config.final_lr) * (1 + std::cos(std::numbers::pi * u)) / 2;
  }
  if (k < config.warmup_steps) rate *= static_cast<double>(k + 1) / static_cast<double>(config.warmup_steps);
  return rate;
}

void check_schedule(const ScheduleConfig& config) {
  const auto rate = [](const char* name, double value) {
    require(std::isfinite(value) && value >= 0, "schedule: {} is {}; expected a finite number of 0 or more",
            name, value);
  };
  rate("lr", config.lr);
  rate("drop_ratio", config.drop_ratio);
  rate("final_lr", config.final_lr);
  require(config.epochs >= 1, "schedule: epochs is {}; expected at least 1", config.epochs);
  require(config.steps_per_epoch >= 1, "schedule: steps_per_epoch is {}; expected at least 1",
          config.steps_per_epoch);
  require(config.warmup_steps >= 0, "schedule: warmup_steps is {}; expected 0 or more", config.warmup_steps);
  if (config.kind == ScheduleKind::kCosine) {
    require(config.warmup_steps < config.epochs * config.steps_per_epoch,
            "schedule: warm-up of {} steps leaves nothing of a run of {} steps for the cosine",
            config.warmup_steps, config.epochs * config.steps_per_epoch);
  }
  for (const int drop : config.drop_epochs) {
    require(drop >= 0, "schedule: drop_epochs holds {}; epochs are counted from 0", drop);
  }
}

}  // namespace qcface::nn
