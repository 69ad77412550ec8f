// What to change when training diverges: said from the run's own settings and what its last steps showed.
#pragma once

#include <cstdint>
#include <string>

#include "harness/train/engine.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// What a run has shown since it was started.
struct Trend {
  std::int64_t steps = 0;        // done
  double first_mean_length = 0;  // of the first batch
  double mean_length = 0;        // of the last one
  double smallest_length = 0;    // likewise
  double lr = 0;                 // likewise
  void add(const FinishedStep& step);
};

/// Where it happened.
struct Divergence {
  std::int64_t step = 0;  // 1-based, of the whole run
  std::int64_t steps_per_epoch = 1;
  double lr = 0;  // rate of that step
};

/// The likely cause, and the flags that would remove it with a value each ("--lr 0.1 (now 10)"), only those that apply to
/// the run. Sentences without a full stop at the end.
std::string divergence_advice(const TrainOptions& options, const Trend& trend, const Divergence& at);

/// Phase norm guides magnitudes to 1 .. 100. True where a guided head's have left that for good: a mean above 1000 that is ten
/// times the first batch's. (Accuracy at chance is no sign: a healthy run can stay there for hundreds of steps.)
bool lengths_explode(const TrainOptions& options, const Trend& trend);

}  // namespace qcface::train
