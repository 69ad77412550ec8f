// The largest of all scores that pass by, in bounded memory: values above the bar, the smallest of the largest so far, are
// gathered behind them; where the room is used up, all are sorted and the rest is cut off.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/scoring/cuda/scoring_device.h"

namespace qcface::nn::cuda {

class LargestScores {
 public:
  /// The `wanted` largest (0: none) of values that are offered in arrays; `at_once`: how many of them are looked at together.
  LargestScores(ScoringDevice& device, std::int64_t wanted, std::int64_t at_once);
  /// Device memory that they take, scratch for sorting aside.
  static std::int64_t bytes(std::int64_t wanted, std::int64_t at_once) {
    return wanted > 0 ? 2 * static_cast<std::int64_t>(sizeof(double)) * (wanted + 2 * at_once) : 0;
  }

  /// -infinity is no value. Waits for the device.
  void offer(const double* values, std::int64_t count);
  std::vector<double> descending();

 private:
  // Room for two arrays beside: with a bar from the first one, the second is hardly ever filled, and sorting is rare.
  std::int64_t room() const { return wanted_ + 2 * at_once_; }
  void cut();

  ScoringDevice& device_;
  const std::int64_t wanted_, at_once_;
  Array<double> memory_[2];
  Array<std::int64_t> found_;
  TwoBuffers<double> values_;
  std::int64_t count_ = 0;
  double bar_;
};

}  // namespace qcface::nn::cuda
