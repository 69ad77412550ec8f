// Batch norm's running statistics where every rank has those of its own pictures: files and evaluations take their mean over
// the ranks.
#pragma once

#include <span>
#include <vector>

#include "core/comm/communicator.h"
#include "nn/parameters.h"

namespace qcface::train {

/// While it lives the store has the mean, the same bits on every rank; then it has this rank's own again. Every rank makes one
/// at the same time. With one rank it does nothing. Waits for the device.
class MeanStatistics {
 public:
  MeanStatistics(nn::ParameterStore& store, Communicator& communicator);
  ~MeanStatistics();
  MeanStatistics(const MeanStatistics&) = delete;
  MeanStatistics& operator=(const MeanStatistics&) = delete;

  /// This rank's; empty with one rank.
  std::span<const float> own() const { return own_; }

 private:
  nn::ParameterStore& store_;
  std::vector<float> own_;
};

}  // namespace qcface::train
