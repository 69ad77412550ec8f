#include "harness/train/rank_times.h"

#include <algorithm>
#include <vector>

namespace qcface::train {

std::optional<RankTimes> RankClock::lap() {
  const int ranks = communicator_.size();
  const std::optional<double> communicated = communicator_.seconds();
  if (ranks == 1 || !communicated) return std::nullopt;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  const double own = elapsed - (*communicated - communicated_);
  std::vector<double> all(static_cast<std::size_t>(2 * ranks));
  const double mine[2] = {elapsed, own};
  communicator_.all_gather(array_of(mine, 1, 2), array_of(all.data(), ranks, 2));
  start_ = Clock::now();
  communicated_ = communicator_.seconds().value_or(0.0);

  double total = 0, working = 0;
  RankTimes times;
  double longest = -1;
  for (int r = 0; r < ranks; ++r) {
    const double worked = all[static_cast<std::size_t>(2 * r + 1)];
    total += all[static_cast<std::size_t>(2 * r)];
    working += worked;
    if (worked > longest) {
      longest = worked;
      times.slowest = r;
    }
  }
  times.communication = std::clamp(1 - working / std::max(total, 1e-9), 0.0, 1.0);
  times.slowest_ratio = longest * ranks / std::max(working, 1e-9);
  return times;
}

}  // namespace qcface::train
