// Chooses who runs, starts and ends blocks, and tells what went wrong.
#include "kernels/emulation/scheduler.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "kernels/emulation/block_state.h"
#include "kernels/emulation/runtime.h"
#include "kernels/emulation/sanitizer.h"

namespace qcface::emulation {

Options& options() {
  static Options value = [] {
    const char* const text = std::getenv("QCFACE_EMULATION_MODE");
    if (text == nullptr || *text == '\0') return kModes[0].options;
    if (std::strlen(text) != 1 || *text < '0' || *text > '3') {
      throw Error(std::string("QCFACE_EMULATION_MODE is '") + text + "': expected 0, 1, 2 or 3");
    }
    return kModes[*text - '0'].options;
  }();
  return value;
}

Statistics& statistics() {
  static Statistics value;
  return value;
}

Block& block() {
  static Block* const value = new Block;
  return *value;
}

int lane_index() { return block().current->id % kWarp; }
int warp_index() { return block().current->id / kWarp; }

void progress() { block().moved = true; }

void make_ready(Thread& thread) {
  thread.state = State::kReady;
  warp_of(thread).ready |= 1u << (thread.id % kWarp);
  block().ready_warps |= 1u << (thread.id / kWarp);
}

void wait_here(State state, const char* what, const Site& site) {
  Block& b = block();
  Thread& self = *b.current;
  self.state = state;
  self.what = what;
  self.site = site;
  self.fiber->suspend();
  if (b.failed()) throw Abandon{};
}

void yield_poll(const char* what, const Site& site) {
  const TsanIgnore ignore;
  block().pollers.push_back(block().current->id);
  wait_here(State::kPolling, what, site);
}

std::string describe(const Site& site) {
  return std::string(site.file_name()) + ":" + std::to_string(site.line());
}

namespace {

std::string thread_name(const Thread& thread) {
  char text[96];
  std::snprintf(text, sizeof text, "thread (%u,%u,%u), warp %d lane %d", thread.index.x, thread.index.y,
                thread.index.z, thread.id / kWarp, thread.id % kWarp);
  return text;
}

std::string kernel_name(const void* function) {
  Dl_info info;
  if (function == nullptr || ::dladdr(function, &info) == 0 || info.dli_sname == nullptr ||
      info.dli_saddr != function) {
    return {};
  }
  int status = 0;
  char* const readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  const std::string name = status == 0 ? readable : info.dli_sname;
  std::free(readable);
  return name;
}

/// One thread of one block; runs on that thread's fiber.
void run_thread(void* argument) {
  Block& b = block();
  Thread& self = *static_cast<Thread*>(argument);
  tsan_acquire(&b.start_clock);
  try {
    (*b.kernel)();
  } catch (const Abandon&) {
  } catch (...) {
    const TsanIgnore ignore;
    if (!b.failed()) b.foreign = std::current_exception();
  }
  tsan_release(&b.end_clock);
  const TsanIgnore ignore;
  finish_copies(self);
  self.state = State::kDone;
  ++b.done;
  b.moved = true;
  thread_left(self);
}

int pick() {
  Block& b = block();
  std::uint32_t warps = b.ready_warps;
  int warp = 0;
  switch (options().order) {
    case Order::kForward:
      warp = std::countr_zero(warps);
      break;
    case Order::kReverse:
      warp = 31 - std::countl_zero(warps);
      break;
    case Order::kRoundRobin: {
      const std::uint32_t later = b.next_warp < 32 ? warps & ~0u << b.next_warp : 0;
      warp = std::countr_zero(later != 0 ? later : warps);
      b.next_warp = warp + 1;
      break;
    }
    case Order::kRandom:
      for (auto skip = b.draw() % static_cast<unsigned>(std::popcount(warps)); skip > 0; --skip)
        warps &= warps - 1;
      warp = std::countr_zero(warps);
      break;
  }
  Warp& chosen = b.warps[static_cast<std::size_t>(warp)];
  std::uint32_t lanes = chosen.ready;
  int lane = std::countr_zero(lanes);
  if (options().order == Order::kReverse) lane = 31 - std::countl_zero(lanes);
  if (options().order == Order::kRandom) {
    for (auto skip = b.draw() % static_cast<unsigned>(std::popcount(lanes)); skip > 0; --skip)
      lanes &= lanes - 1;
    lane = std::countr_zero(lanes);
  }
  chosen.ready &= ~(1u << lane);
  if (chosen.ready == 0) b.ready_warps &= ~(1u << warp);
  return warp * kWarp + lane;
}

void resume(Thread& thread) {
  Block& b = block();
  b.current = &thread;
  thread.started = true;
  threadIdx = thread.index;
  ++statistics().switches;
  thread.fiber->resume();
  b.current = nullptr;
}

void report_deadlock() {
  Block& b = block();
  std::string text = "deadlock or divergent synchronisation: " + std::to_string(b.done) + " of " +
                     std::to_string(b.threads) + " threads have left, the others wait";
  std::string last;
  int shown = 0;
  for (int i = 0; i < b.threads && shown < 8; ++i) {
    const Thread& thread = *b.pool[static_cast<std::size_t>(i)];
    if (thread.state == State::kDone) continue;
    const std::string place = std::string(thread.what) + " at " + describe(thread.site);
    if (place == last) continue;
    text += "\n  " + thread_name(thread) + " in " + place;
    last = place;
    ++shown;
  }
  record_error(text);
}

void reset_block(std::size_t dynamic_bytes) {
  Block& b = block();
  b.done = 0;
  b.moved = false;
  b.ready_warps = 0;
  b.next_warp = 0;
  b.pollers.clear();
  b.engine.clear();
  for (Warp& warp : b.warps) {
    warp.ready = warp.done = warp.exists = 0;
    warp.collectives.clear();
    warp.open_products.clear();
    warp.product_groups.clear();
  }
  for (Barrier& barrier : b.barriers) {
    barrier.arrived = barrier.yes = 0;
    barrier.waiting.clear();
  }
  for (int i = 0; i < b.threads; ++i) {
    Thread& thread = *b.pool[static_cast<std::size_t>(i)];
    thread.started = false;
    thread.open_copies.clear();
    thread.copy_groups.clear();
    warp_of(thread).exists |= 1u << (i % kWarp);
    make_ready(thread);
  }
  shared_begin(dynamic_bytes);
}

void run_block(std::size_t dynamic_bytes) {
  Block& b = block();
  reset_block(dynamic_bytes);
  tsan_release(&b.start_clock);
  const Options& set = options();
  // A poller is tried again soon after any progress, or a consumer would never catch its producer half-way.
  const bool eager_polls = set.order == Order::kReverse || set.order == Order::kRoundRobin;
  while (b.done < b.threads && !b.failed()) {
    if (!b.engine.empty() &&
        (b.ready_warps == 0 || set.copies == Async::kEager || (set.copies == Async::kRandom && b.coin()))) {
      const auto work = std::move(b.engine.front());
      b.engine.pop_front();
      try {
        work();
      } catch (const Abandon&) {
      }
      b.moved = true;
    } else if (b.moved && !b.pollers.empty() &&
               (b.ready_warps == 0 || eager_polls || (set.order == Order::kRandom && b.coin()))) {
      b.moved = false;
      for (const int id : b.pollers) make_ready(*b.pool[static_cast<std::size_t>(id)]);
      b.pollers.clear();
    } else if (b.ready_warps == 0) {
      report_deadlock();
    } else {
      resume(*b.pool[static_cast<std::size_t>(pick())]);
    }
  }
  if (b.failed()) {
    for (int i = 0; i < b.threads; ++i) {  // unwind those that are half-way
      Thread& thread = *b.pool[static_cast<std::size_t>(i)];
      if (thread.started && thread.state != State::kDone) resume(thread);
    }
  }
  while (!b.failed() && !b.engine.empty()) {
    record_error("the block has ended before a bulk copy was waited for");
  }
  shared_end();
  tsan_acquire(&b.end_clock);
  ++statistics().blocks;
}

}  // namespace

void record_error(const std::string& text) {
  Block& b = block();
  if (b.failed()) return;
  char place[80];
  std::snprintf(place, sizeof place, ", block (%u,%u,%u)", blockIdx.x, blockIdx.y, blockIdx.z);
  b.error = b.launch + place;
  if (b.current != nullptr) b.error += ", " + thread_name(*b.current);
  b.error += ": " + text;
}

void fail(const char* format, ...) {
  const TsanIgnore ignore;
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (block().kernel == nullptr) throw Error(text);
  record_error(text);
  throw Abandon{};
}

void run_grid(dim3 grid, dim3 shape, std::size_t dynamic_bytes, const std::function<void()>& kernel,
              const void* function, const Site& site) {
  const TsanIgnore ignore;
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  Block& b = block();
  const std::string name = kernel_name(function);
  b.launch = (name.empty() ? "kernel" : "kernel " + name) + " launched at " + describe(site);
  const std::uint64_t threads = std::uint64_t{shape.x} * shape.y * shape.z;
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  if (threads == 0 || threads > 1024 || shape.z > 64) {
    throw Error(b.launch + ": a block of " + std::to_string(shape.x) + " x " + std::to_string(shape.y) +
                " x " + std::to_string(shape.z) + " threads; expected 1 to 1024");
  }
  if (blocks == 0 || grid.x > 0x7FFFFFFFu || grid.y > 65535 || grid.z > 65535) {
    throw Error(b.launch + ": a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
                std::to_string(grid.z) + " blocks; expected 1 to 2^31-1, 65535, 65535");
  }
  if (dynamic_bytes > device().shared_bytes_per_block) {
    throw Error(b.launch + ": " + std::to_string(dynamic_bytes) +
                " bytes of dynamic shared memory; the device has " +
                std::to_string(device().shared_bytes_per_block) + " a block");
  }
  b.kernel = &kernel;
  b.threads = static_cast<int>(threads);
  b.random = options().seed * 0x9E3779B97F4A7C15ull | 1;
  b.error.clear();
  b.foreign = nullptr;
  b.current = nullptr;
  b.warps.resize((threads + kWarp - 1) / kWarp);
  while (b.pool.size() < threads) {
    auto* const thread = new Thread;
    thread->id = static_cast<int>(b.pool.size());
    thread->fiber = new Fiber(run_thread, thread);
    b.pool.push_back(thread);
  }
  for (unsigned i = 0; i < threads; ++i) {
    b.pool[i]->index = uint3{i % shape.x, i / shape.x % shape.y, i / (shape.x * shape.y)};
  }
  gridDim = grid;
  blockDim = shape;
  ++statistics().launches;
  const bool shuffled = options().shuffle_blocks;
  const std::uint64_t first = shuffled ? b.draw() % blocks : 0;
  const bool downwards = shuffled && b.coin();
  for (std::uint64_t n = 0; n < blocks && !b.failed(); ++n) {
    const std::uint64_t place = (n + first) % blocks;
    const std::uint64_t q = downwards ? blocks - 1 - place : place;
    blockIdx = uint3{static_cast<unsigned>(q % grid.x), static_cast<unsigned>(q / grid.x % grid.y),
                     static_cast<unsigned>(q / (std::uint64_t{grid.x} * grid.y))};
    run_block(dynamic_bytes);
  }
  b.kernel = nullptr;
  if (b.foreign) std::rethrow_exception(b.foreign);
  if (!b.error.empty()) throw Error(b.error);
}

}  // namespace qcface::emulation
