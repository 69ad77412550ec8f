// Work on numbered things by several threads whose results are taken in the order of the numbers: what comes out does not
// depend on how many threads there are.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/threads.h"
#include "harness/console/interrupt.h"
#include "harness/console/run_tasks.h"

namespace qcface::convert {

/// For i = first .. end - 1: work(i, item) on one of `threads` threads, then take(i, item) on the calling one, in the order of
/// i. make_worker() gives each thread a work of its own, with the buffers it needs. Items are used again: each keeps what
/// memory it has. An exception of either comes back from here, and so does Interrupted, within a tenth of a second of work
/// that is done in small steps. Memory: 64 items a thread.
template <class Item, class MakeWorker, class Take>
void for_each_in_order(std::int64_t first, std::int64_t end, int threads, MakeWorker make_worker, Take take) {
  constexpr std::int64_t kUnit =
      16;  // items that a thread takes at a time, and that are handed over together
  const auto units = (end - first + kUnit - 1) / kUnit;
  threads = static_cast<int>(std::min<std::int64_t>(threads_for(threads), std::max<std::int64_t>(units, 1)));
  const int startable = threads > 1 ? startable_threads(threads + 1) - 1 : 1;
  if (startable < threads)
    log::warn("--threads {}: the system lets only {} run", threads, std::max(startable, 1));
  threads = std::max(startable, 1);
  if (threads == 1) {
    auto work = make_worker();
    Item item;
    for (std::int64_t i = first; i < end; ++i) {
      stop_if_interrupted();
      work(i, item);
      take(i, item);
    }
    return;
  }
  struct Unit {
    std::vector<Item> items;
    std::exception_ptr error;
    bool done = false;
  };
  std::vector<Unit> ring(static_cast<std::size_t>(threads) * 4);
  const auto slots = static_cast<std::int64_t>(ring.size());
  std::mutex mutex;
  std::condition_variable room, ready;
  std::int64_t next = 0, taken = 0;  // units
  bool stop = false;
  const auto unit_at = [&](std::int64_t u) -> Unit& { return ring[static_cast<std::size_t>(u % slots)]; };
  const auto run = [&] {
    std::exception_ptr broken;
    std::unique_ptr<decltype(make_worker())> work;
    try {
      work = std::make_unique<decltype(make_worker())>(make_worker());
    } catch (...) {
      broken = std::current_exception();
    }
    std::unique_lock lock(mutex);
    while (true) {
      room.wait(lock, [&] { return stop || next >= units || next - taken < slots; });
      if (stop || next >= units) return;
      const std::int64_t u = next++;
      lock.unlock();
      Unit& unit = unit_at(u);
      const std::int64_t begin = first + u * kUnit, count = std::min(kUnit, end - begin);
      try {
        if (broken) std::rethrow_exception(broken);
        unit.items.resize(
            static_cast<std::size_t>(std::max(count, static_cast<std::int64_t>(unit.items.size()))));
        for (std::int64_t i = 0; i < count && !interrupted(); ++i)
          (*work)(begin + i, unit.items[static_cast<std::size_t>(i)]);
      } catch (...) {
        unit.error = std::current_exception();
      }
      lock.lock();
      unit.done = true;
      ready.notify_one();
    }
  };
  std::vector<std::thread> pool;
  struct Join {  // also where take() throws
    std::mutex& mutex;
    std::condition_variable& room;
    bool& stop;
    std::vector<std::thread>& pool;
    ~Join() {
      {
        const std::lock_guard lock(mutex);
        stop = true;
      }
      room.notify_all();
      for (std::thread& thread : pool) thread.join();
    }
  } join{mutex, room, stop, pool};
  pool.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) pool.emplace_back(run);
  for (std::int64_t u = 0; u < units; ++u) {
    Unit& unit = unit_at(u);
    {
      std::unique_lock lock(mutex);
      while (!ready.wait_for(lock, std::chrono::milliseconds(100), [&] { return unit.done; }))
        stop_if_interrupted();
    }
    stop_if_interrupted();
    if (unit.error) std::rethrow_exception(unit.error);
    const std::int64_t begin = first + u * kUnit, count = std::min(kUnit, end - begin);
    for (std::int64_t i = 0; i < count; ++i) take(begin + i, unit.items[static_cast<std::size_t>(i)]);
    {
      const std::lock_guard lock(mutex);
      unit.done = false;
      ++taken;
    }
    room.notify_one();
  }
}

}  // namespace qcface::convert
