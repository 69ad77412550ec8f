// Where a run stands and what it has found. It changes with every step, and every checkpoint holds it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace qcface::train {

struct FinishedStep;

/// Sums over the epoch so far, so that a resumed epoch reports what the whole epoch did.
struct EpochSums {
  std::int64_t pictures = 0;
  double loss = 0, loss_id = 0, loss_g = 0;  // weighted by pictures
  std::int64_t top1 = 0, top5 = 0;
  double z_sum = 0, z_min = 0, z_max = 0;
};

struct RunState {
  std::int64_t epoch = 0;        // 0-based epoch of the next step
  std::int64_t batch = 0;        // index of the next batch inside it
  std::int64_t global_step = 0;  // steps done
  EpochSums sums;
  std::int64_t classes = 0;
  std::int64_t pictures = 0;  // in the training set
  std::string class_list;     // hashes of class_list.h; empty: an older version saved it
  std::string picture_list;
  int threads = 0;                    // compute threads: part of the promise of equal bits
  int ranks = 1;                      // likewise
  double loss_scale = 0;              // fp16 on CUDA; 0: none
  std::int64_t loss_scale_steps = 0;  // good steps since it changed
  std::optional<double> best;         // best value of the criterion so far
  std::int64_t best_step = -1;        // where it was reached; -1: unknown
  std::string criterion;              // what `best` measures
  bool unverified = false;            // saved at an epoch's end, its verification still to be done

  /// Moves on by a step.
  void count(const FinishedStep& step);
  /// Moves on to the next epoch.
  void end_epoch();
  /// Whether `value` is the best so far, which is then kept. Another criterion than before is looked for anew, which the
  /// log says.
  bool improve(double value, const std::string& what, bool higher_is_better);
};

nlohmann::ordered_json to_json(const RunState& state);
/// Throws Error naming the entry that is missing or of another type.
RunState run_state_from_json(const nlohmann::json& json);

}  // namespace qcface::train
