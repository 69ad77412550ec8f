// Where the time of several ranks went between two lines of the log.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "core/comm/communicator.h"

namespace qcface::train {

struct RankTimes {
  double communication =
      0;            // share of the time that the ranks spent in collectives, waiting for each other included
  int slowest = 0;  // the rank that computed and waited for data the longest
  double slowest_ratio = 1;  // its time over the mean of all
};

/// worked, elapsed: seconds of each rank, those outside of collectives and all of them.
RankTimes rank_times(std::span<const double> worked, std::span<const double> elapsed);

class RankClock {
 public:
  explicit RankClock(Communicator& communicator) : communicator_(communicator) {}
  /// Since the last call, or since it was made. Every rank calls it, together. Empty: one rank, or a communicator whose time is not
  /// the host's.
  std::optional<RankTimes> lap();

 private:
  using Clock = std::chrono::steady_clock;
  Communicator& communicator_;
  Clock::time_point start_ = Clock::now();
  double communicated_ = communicator_.seconds().value_or(0.0);
};

}  // namespace qcface::train
