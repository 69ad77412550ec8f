// Block barriers and warp collectives.
#include <cstring>

#include "kernels/emulation/block_state.h"
#include "kernels/emulation/sanitizer.h"

namespace qcface::emulation {

namespace {

void complete(Barrier& barrier) {
  Block& b = block();
  barrier.last = {barrier.yes, barrier.arrived};
  for (const int id : barrier.waiting) make_ready(*b.pool[static_cast<std::size_t>(id)]);
  barrier.waiting.clear();
  barrier.arrived = barrier.yes = 0;
  ++barrier.phase;
  b.moved = true;
  ++statistics().block_barriers;
}

void come_to(Barrier& barrier, int id, int threads, const char* what, const Site& site) {
  const Block& b = block();
  if (id < 0 || id > 15) fail("barrier %d at %s: expected an id of 0 to 15", id, describe(site).c_str());
  if (threads % kWarp != 0 || threads < 0 || threads > (b.threads + kWarp - 1) / kWarp * kWarp) {
    fail("barrier %d at %s: %d threads, expected a multiple of 32 up to the block's %d", id,
         describe(site).c_str(), threads, b.threads);
  }
  if (barrier.arrived > 0) {
    if (barrier.expected != threads) {
      fail("barrier %d: %d threads at %s, but %d at %s", id, threads, describe(site).c_str(),
           barrier.expected, describe(barrier.site).c_str());
    }
    if (threads == 0 && (barrier.site.line() != site.line() ||
                         std::strcmp(barrier.site.file_name(), site.file_name()) != 0)) {
      fail("divergent %s: this thread is at %s, others wait at %s", what, describe(site).c_str(),
           describe(barrier.site).c_str());
    }
  }
  barrier.expected = threads;
  barrier.what = what;
  barrier.site = site;
  ++barrier.arrived;
  tsan_release(&barrier.clocks[barrier.phase % 4]);
}

bool is_full(const Barrier& barrier) {
  const Block& b = block();
  return barrier.expected == 0 ? barrier.arrived + b.done >= b.threads : barrier.arrived >= barrier.expected;
}

}  // namespace

BarrierCount barrier_sync(int id, int threads, bool predicate, const char* what, const Site& site) {
  const TsanIgnore ignore;
  Barrier& barrier = block().barriers[id & 15];
  come_to(barrier, id, threads, what, site);
  barrier.yes += predicate;
  char* const clock = &barrier.clocks[barrier.phase % 4];
  if (is_full(barrier)) {
    complete(barrier);
  } else {
    barrier.waiting.push_back(block().current->id);
    wait_here(State::kWaiting, what, site);
  }
  tsan_acquire(clock);
  return barrier.last;
}

void barrier_arrive(int id, int threads, const Site& site) {
  const TsanIgnore ignore;
  if (threads == 0) fail("barrier %d at %s: an arrival needs a thread count", id, describe(site).c_str());
  Barrier& barrier = block().barriers[id & 15];
  come_to(barrier, id, threads, "barrier.arrive", site);
  if (is_full(barrier)) complete(barrier);
}

void thread_left(Thread& thread) {
  Block& b = block();
  Warp& warp = warp_of(thread);
  const std::uint32_t bit = 1u << (thread.id % kWarp);
  warp.done |= bit;
  if (b.failed()) return;
  for (const Collective& c : warp.collectives) {
    if ((c.mask & bit) != 0) {
      record_error("lane " + std::to_string(thread.id % kWarp) + " has left, but others wait for it in " +
                   c.what + " at " + describe(c.site));
      return;
    }
  }
  for (Barrier& barrier : b.barriers) {
    if (!barrier.waiting.empty() && barrier.expected == 0 && is_full(barrier)) complete(barrier);
  }
}

namespace {

void run_collective(std::uint32_t mask, CollectiveFunction function, void* argument, const void* common,
                    const char* what, const Site& site, bool orders_memory) {
  const TsanIgnore ignore;
  Block& b = block();
  const int lane = b.current->id % kWarp;
  const int first = b.current->id - lane;
  Warp& warp = warp_of(*b.current);
  if (mask == ~0u) mask = warp.exists;  // the last warp of a block may have fewer lanes
  if ((mask >> lane & 1) == 0) {
    fail("%s at %s: lane %d calls with mask %08x, which does not name it", what, describe(site).c_str(), lane,
         mask);
  }
  if ((mask & ~warp.exists) != 0) {
    fail("%s at %s: mask %08x names lanes that do not exist", what, describe(site).c_str(), mask);
  }
  if ((mask & warp.done) != 0) {
    fail("%s at %s: mask %08x names lanes that have left (%08x)", what, describe(site).c_str(), mask,
         mask & warp.done);
  }
  std::size_t place = 0;
  while (place < warp.collectives.size() && (warp.collectives[place].mask & mask) == 0) ++place;
  if (place == warp.collectives.size()) {
    Collective fresh{mask, 0, function, common, what, site, {}, nullptr};
    if (orders_memory) fresh.clock = &warp.clocks[warp.next_clock++ % kWarp];
    warp.collectives.push_back(fresh);
  }
  Collective& c = warp.collectives[place];
  if (c.mask != mask || c.function != function || c.site.line() != site.line() ||
      std::strcmp(c.what, what) != 0 || std::strcmp(c.site.file_name(), site.file_name()) != 0) {
    fail("warp divergence: lane %d is in %s at %s with mask %08x, others wait in %s at %s with mask %08x",
         lane, what, describe(site).c_str(), mask, c.what, describe(c.site).c_str(), c.mask);
  }
  c.arrived |= 1u << lane;
  c.arguments[lane] = argument;
  char* const clock = c.clock;
  if (clock != nullptr) tsan_release(clock);
  if (c.arrived == mask) {
    const Collective done = c;
    warp.collectives.erase(warp.collectives.begin() + static_cast<std::ptrdiff_t>(place));
    if (function != nullptr) function(done.arguments, mask, done.common);
    ++statistics().collectives;
    b.moved = true;
    for (std::uint32_t rest = mask & ~(1u << lane); rest != 0; rest &= rest - 1) {
      make_ready(*b.pool[static_cast<std::size_t>(first + std::countr_zero(rest))]);
    }
  } else {
    wait_here(State::kWaiting, what, site);
  }
  if (clock != nullptr) tsan_acquire(clock);
}

struct Shuffle {
  void* value;
  std::size_t bytes;
  int source;
  bool keep;
};

void run_shuffle(void* const* lanes, std::uint32_t mask, const void*) {
  unsigned char before[kWarp][16];
  for (int l = 0; l < kWarp; ++l) {
    if (lanes[l] == nullptr) continue;
    const auto& s = *static_cast<const Shuffle*>(lanes[l]);
    std::memcpy(before[l], s.value, s.bytes);
  }
  for (int l = 0; l < kWarp; ++l) {
    if (lanes[l] == nullptr) continue;
    const auto& s = *static_cast<const Shuffle*>(lanes[l]);
    if (s.keep) continue;
    if (s.source < 0 || s.source >= kWarp || (mask >> s.source & 1) == 0) {
      fail("shuffle: lane %d reads lane %d, which mask %08x does not name", l, s.source, mask);
    }
    std::memcpy(s.value, before[s.source], s.bytes);
  }
}

struct Vote {
  bool predicate;
  std::uint32_t result;
};

void run_ballot(void* const* lanes, std::uint32_t, const void*) {
  std::uint32_t result = 0;
  for (int l = 0; l < kWarp; ++l) {
    if (lanes[l] != nullptr && static_cast<const Vote*>(lanes[l])->predicate) result |= 1u << l;
  }
  for (int l = 0; l < kWarp; ++l) {
    if (lanes[l] != nullptr) static_cast<Vote*>(lanes[l])->result = result;
  }
}

}  // namespace

void collective(std::uint32_t mask, CollectiveFunction function, void* argument, const void* common,
                const char* what, const Site& site, bool orders_memory) {
  run_collective(mask, function, argument, common, what, site, orders_memory);
}

void syncwarp(std::uint32_t mask, const Site& site) {
  run_collective(mask, nullptr, nullptr, nullptr, "__syncwarp", site, true);
}

void shuffle(std::uint32_t mask, void* value, std::size_t bytes, int source, bool keep, const char* what,
             const Site& site) {
  Shuffle argument{value, bytes, source, keep};
  run_collective(mask, run_shuffle, &argument, nullptr, what, site, false);
}

std::uint32_t ballot(std::uint32_t mask, bool predicate, const char* what, const Site& site) {
  Vote vote{predicate, 0};
  run_collective(mask, run_ballot, &vote, nullptr, what, site, false);
  return vote.result;
}

}  // namespace qcface::emulation
