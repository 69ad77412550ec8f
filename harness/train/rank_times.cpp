#include "harness/train/rank_times.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace qcface::train {

RankTimes rank_times(std::span<const double> worked, std::span<const double> elapsed) {
  const auto slowest = std::max_element(worked.begin(), worked.end());
  const double work = std::accumulate(worked.begin(), worked.end(), 0.0);
  const double all = std::accumulate(elapsed.begin(), elapsed.end(), 0.0);
  RankTimes times;
  times.communication = std::clamp(1 - work / std::max(all, 1e-9), 0.0, 1.0);
  times.slowest = static_cast<int>(slowest - worked.begin());
  times.slowest_ratio = *slowest * static_cast<double>(worked.size()) / std::max(work, 1e-9);
  return times;
}

std::optional<RankTimes> RankClock::lap() {
  const int ranks = communicator_.size();
  const std::optional<double> communicated = communicator_.seconds();
  if (ranks == 1 || !communicated) return std::nullopt;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double worked = elapsed - (*communicated - communicated_);
  std::vector<double> all_worked(static_cast<std::size_t>(ranks)), all_elapsed(all_worked.size());
  communicator_.all_gather(array_of(&worked, 1), array_of(all_worked.data(), ranks));
  communicator_.all_gather(array_of(&elapsed, 1), array_of(all_elapsed.data(), ranks));
  start_ = Clock::now();
  communicated_ = communicator_.seconds().value_or(0.0);
  return rank_times(all_worked, all_elapsed);
}

}  // namespace qcface::train
