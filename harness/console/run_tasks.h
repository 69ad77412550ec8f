// Numbered tasks on several threads, in no order.
#pragma once

#include <cstdint>
#include <functional>

namespace qcface {

/// Runs task(i, worker) for i = 0 .. count - 1 on `threads` threads (0: all cores), fewer where the system refuses some, with
/// one warning. worker: 0 .. threads_for(threads) - 1, one at a time each, so that each may keep buffers. progress(done) is
/// called from the calling thread. The first exception comes back, Interrupted among them; tasks that run are ended first.
void run_tasks(std::int64_t count, int threads, const std::function<void(std::int64_t done)>& progress,
               const std::function<void(std::int64_t i, int worker)>& task);
/// How many that are at most.
int threads_for(int threads);

}  // namespace qcface
