// Learning rate as a pure function of the position in the run, so that a resumed run needs no state for it.
#pragma once

#include <cstdint>
#include <vector>

namespace qcface::nn {

enum class ScheduleKind { kStep, kCosine };

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::kStep;
  double lr = 0.1;               // base rate
  std::vector<int> drop_epochs;  // kStep: the rate is multiplied by drop_ratio when such an epoch begins
  double drop_ratio = 0.1;
  std::int64_t warmup_steps = 0;  // linear from lr / warmup_steps at step 0 to lr at step warmup_steps - 1
  int epochs = 1;                 // kCosine: length of the run
  std::int64_t steps_per_epoch = 1;
  double final_lr = 0;  // kCosine: rate that the curve reaches after the last step
};

/// Rate of step `step` (0-based, inside the epoch) of epoch `epoch` (0-based).
///   kStep    lr * drop_ratio^(number of entries of drop_epochs that are <= epoch); an epoch listed twice counts
///            twice, order does not matter.
///   kCosine  final_lr + (lr - final_lr) * (1 + cos(pi u)) / 2,  u = (k - warmup) / (epochs * steps_per_epoch -
///            warmup), k = epoch * steps_per_epoch + step.
/// While k < warmup_steps, the rate is additionally multiplied by (k + 1) / warmup_steps (u is 0 then).
double learning_rate(const ScheduleConfig& config, int epoch, std::int64_t step);

/// Throws Error naming the field: lr, drop_ratio or final_lr not finite or negative, epochs or steps_per_epoch
/// below 1, warmup_steps negative or (kCosine) not shorter than the run, a negative drop epoch.
void check_schedule(const ScheduleConfig& config);

}  // namespace qcface::nn
