// The state of the running block, shared by the runtime's own source files.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "kernels/emulation/fiber.h"
#include "kernels/emulation/scheduler.h"

namespace qcface::emulation {

inline constexpr int kWarp = 32;

struct Copy {
  void* shared;
  const void* global;
  std::uint32_t bytes, source_bytes;
};

enum class State : std::uint8_t { kReady, kWaiting, kPolling, kDone };

struct Thread {
  Fiber* fiber = nullptr;
  int id = 0;
  uint3 index{};
  State state = State::kDone;
  bool started = false;
  const char* what = "";  // what it waits in
  Site site;
  std::vector<Copy> open_copies;
  std::deque<std::vector<Copy>> copy_groups;
};

struct Collective {
  std::uint32_t mask, arrived;
  CollectiveFunction function;
  const void* common;
  const char* what;
  Site site;
  void* arguments[kWarp];
  char* clock;  // null: orders no memory
};

struct Warp {
  std::uint32_t ready = 0, done = 0, exists = 0;
  std::vector<Collective> collectives;  // of disjoint masks
  unsigned next_clock = 0;
  char clocks[kWarp];
  std::vector<std::function<void()>> open_products;
  std::deque<std::vector<std::function<void()>>> product_groups;
};

struct Barrier {
  int arrived = 0, expected = 0;
  int yes = 0;
  unsigned phase = 0;
  const char* what = "";
  Site site;
  std::vector<int> waiting;
  BarrierCount last;
  // Memory order of one phase must not leak into the one before it: a fast thread may reach the next phase
  // before a slow one has left this one.
  char clocks[4];
};

struct Block {
  const std::function<void()>* kernel = nullptr;
  std::string launch;  // names kernel and launch in errors
  int threads = 0, done = 0;
  std::vector<Thread*> pool;  // never freed: see Fiber
  std::vector<Warp> warps;
  std::uint32_t ready_warps = 0;
  Barrier barriers[16];
  std::vector<int> pollers;
  std::deque<std::function<void()>> engine;
  Thread* current = nullptr;
  bool moved = false;
  int next_warp = 0;  // round robin
  std::uint64_t random = 1;
  std::string error;
  std::exception_ptr foreign;  // what the kernel itself threw
  char start_clock = 0, end_clock = 0;

  bool failed() const { return !error.empty() || foreign; }
  std::uint64_t draw() {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random * 0x2545F4914F6CDD1Dull >> 32;
  }
  bool coin() { return draw() & 1; }
};

/// Thrown through a thread's frames to end it after an error.
struct Abandon {};

Block& block();
inline Warp& warp_of(const Thread& thread) {
  return block().warps[static_cast<std::size_t>(thread.id / kWarp)];
}

void make_ready(Thread& thread);
/// Leaves the calling thread in `state` until somebody makes it ready.
void wait_here(State state, const char* what, const Site& site);
void record_error(const std::string& text);
std::string describe(const Site& site);
/// Lanes and barriers that waited for a thread which has now left.
void thread_left(Thread& thread);
void finish_copies(Thread& thread);

// Shared memory of the block.
void shared_begin(std::size_t dynamic_bytes);
void shared_end();

}  // namespace qcface::emulation
