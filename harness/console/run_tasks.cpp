#include "harness/console/run_tasks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/log.h"
#include "harness/console/interrupt.h"

namespace qcface {

int threads_for(int threads) {
  return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

void run_tasks(std::int64_t count, int threads, const std::function<void(std::int64_t)>& progress,
               const std::function<void(std::int64_t, int)>& task) {
  const auto wanted = static_cast<std::size_t>(threads_for(threads));
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t done = 0;
  int running = 0;
  std::exception_ptr error;
  const auto work = [&](int worker) {
    std::exception_ptr mine;
    try {
      for (std::int64_t i = next++; i < count; i = next++) {
        stop_if_interrupted();
        task(i, worker);
        const std::lock_guard lock(mutex);
        ++done;
      }
    } catch (...) {
      mine = std::current_exception();
      next = count;
    }
    const std::lock_guard lock(mutex);
    if (mine && !error) error = mine;
    --running;
    changed.notify_all();
  };
  std::vector<std::thread> pool;
  pool.reserve(wanted);
  try {
    while (pool.size() < wanted) {
      {
        const std::lock_guard lock(mutex);
        ++running;
      }
      pool.emplace_back(work, static_cast<int>(pool.size()));
    }
  } catch (const std::system_error&) {
    {
      const std::lock_guard lock(mutex);
      --running;
    }
    log::warn("--threads {}: the system lets only {} run", wanted, std::max<std::size_t>(pool.size(), 1));
    if (pool.empty()) {
      running = 1;
      work(0);
    }
  }
  {
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, std::chrono::milliseconds(200), [&] { return running == 0; })) {
      const std::int64_t now = done;
      lock.unlock();
      if (progress) progress(now);
      lock.lock();
    }
  }
  for (std::thread& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);
  if (progress) progress(count);
}

}  // namespace qcface
