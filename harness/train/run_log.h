// What a run leaves to look at while it goes on: log lines, metrics.jsonl, TensorBoard events, a progress bar.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "harness/console/progress.h"
#include "harness/report/tensorboard.h"
#include "harness/train/engine.h"
#include "harness/train/metrics.h"
#include "harness/train/rank_times.h"
#include "harness/train/state.h"

namespace qcface::train {

class RunLog {
 public:
  /// Opens the run's files; lines of metrics.jsonl past `global_step` are dropped (steps to be run again). Of several ranks,
  /// which all call everything together, one leads and writes.
  RunLog(const std::filesystem::path& run, std::int64_t global_step, std::int64_t total_steps,
         bool histograms, double lambda_g, Communicator& communicator);
  /// Every step: progress bar and window sums. With `line`: also a log line, a record and a histogram.
  void step(const FinishedStep& step, std::int64_t global_step, bool line);
  /// Averages of the epoch whose steps are done.
  void epoch(const RunState& state, double seconds);
  void evaluation(std::int64_t epoch, std::int64_t global_step, const std::string& set,
                  const nlohmann::ordered_json& figures);
  /// Clears the bar before other output.
  void pause() { progress_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  MetricsFile metrics_;
  std::unique_ptr<report::TensorBoardWriter> events_;
  Progress progress_;
  MagnitudeHistogram histogram_;
  bool leads_;
  bool histograms_;
  double lambda_g_;
  std::int64_t first_step_;
  std::int64_t total_steps_;
  const int ranks_;
  RankClock rank_clock_;
  Clock::time_point start_;
  Clock::time_point window_start_;
  std::int64_t window_pictures_ = 0;
  double window_wait_ = 0;
};

}  // namespace qcface::train
