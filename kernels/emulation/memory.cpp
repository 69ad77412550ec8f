// The block's shared memory and the asynchronous units that write to it.
#include <cstdlib>
#include <cstring>

#include "kernels/emulation/block_state.h"
#include "kernels/emulation/runtime.h"
#include "kernels/emulation/sanitizer.h"

namespace qcface::emulation {

namespace {

// Dynamic memory first, then the static arrays, each followed by a gap that no kernel may touch. The page
// below stays free, so that a null-like shared address is an error.
constexpr std::size_t kArenaBytes = 512 << 10;
constexpr std::size_t kDynamicOffset = 1024;
constexpr std::size_t kGap = 64;

struct Slot {
  const void* key;
  std::size_t offset, bytes;
};

struct Arena {
  unsigned char* memory = static_cast<unsigned char*>(std::aligned_alloc(1024, kArenaBytes));
  // Two clocks for every 8 bytes: see clock_release.
  char* clocks = static_cast<char*>(std::calloc(kArenaBytes, 2));
  std::size_t end = kArenaBytes;  // of what this block uses
  std::vector<Slot> slots;        // the dynamic memory first
};

Arena& arena() {
  static Arena* const value = new Arena;
  return *value;
}

void take(const Copy& copy) {
  std::memcpy(copy.shared, copy.global, copy.source_bytes);
  std::memset(static_cast<char*>(copy.shared) + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
}

}  // namespace

void shared_begin(std::size_t dynamic_bytes) {
  Arena& a = arena();
  unpoison(a.memory, kArenaBytes);
  // 0xFF is a NaN in every floating type: a read of what was never written spoils the result.
  std::memset(a.memory, 0xFF, a.end);
  poison(a.memory, kArenaBytes);
  unpoison(a.memory + kDynamicOffset, dynamic_bytes);
  a.slots.clear();
  a.slots.push_back({nullptr, kDynamicOffset, dynamic_bytes});
  a.end = kDynamicOffset + dynamic_bytes + kGap;
}

void shared_end() { unpoison(arena().memory, kArenaBytes); }

unsigned char* dynamic_shared() { return arena().memory + kDynamicOffset; }

void* static_shared_slot(const void* key, std::size_t bytes, std::size_t alignment) {
  const TsanIgnore ignore;
  Arena& a = arena();
  for (const Slot& slot : a.slots) {
    if (slot.key == key) return a.memory + slot.offset;
  }
  if (alignment < 16) alignment = 16;
  const std::size_t offset = (a.end + alignment - 1) / alignment * alignment;
  std::size_t total = bytes;
  for (const Slot& slot : a.slots) total += slot.bytes;
  if (total > device().shared_bytes_per_block) {
    fail("%zu bytes of shared memory in all; the device has %zu a block", total,
         device().shared_bytes_per_block);
  }
  if (offset + bytes + kGap > kArenaBytes) fail("the emulator's shared memory is full");
  unpoison(a.memory + offset, bytes);
  a.slots.push_back({key, offset, bytes});
  a.end = offset + bytes + kGap;
  return a.memory + offset;
}

unsigned char* shared_at(std::uint32_t offset, std::size_t bytes, const char* what) {
  Arena& a = arena();
  for (const Slot& slot : a.slots) {
    if (offset >= slot.offset && offset + bytes <= slot.offset + slot.bytes) return a.memory + offset;
  }
  fail("%s: shared address %u and the %zu bytes there are outside the block's shared memory", what, offset,
       bytes);
}

std::uint32_t shared_offset(const void* pointer, std::size_t bytes, std::size_t alignment, const char* what,
                            const Site& site) {
  const TsanIgnore ignore;
  Arena& a = arena();
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto base = reinterpret_cast<std::uintptr_t>(a.memory);
  if (address % alignment != 0) {
    fail("%s at %s: shared address %p is not a multiple of %zu", what, describe(site).c_str(), pointer,
         alignment);
  }
  for (const Slot& slot : a.slots) {
    if (address >= base + slot.offset && address + bytes <= base + slot.offset + slot.bytes) {
      return static_cast<std::uint32_t>(address - base);
    }
  }
  fail("%s at %s: the %zu bytes at %p are outside the block's shared memory", what, describe(site).c_str(),
       bytes, pointer);
}

void copy_async(void* shared, const void* global, std::uint32_t bytes, std::uint32_t source_bytes) {
  const TsanIgnore ignore;
  Block& b = block();
  const Copy copy{shared, global, bytes, source_bytes};
  const Async when = options().copies;
  if (when == Async::kEager || (when == Async::kRandom && b.coin())) {
    take(copy);
  } else {
    b.current->open_copies.push_back(copy);
  }
}

void copy_commit() {
  const TsanIgnore ignore;
  Thread& self = *block().current;
  self.copy_groups.push_back(std::move(self.open_copies));
  self.open_copies.clear();
}

void copy_wait(int pending_groups) {
  const TsanIgnore ignore;
  Thread& self = *block().current;
  while (self.copy_groups.size() > static_cast<std::size_t>(pending_groups)) {
    for (const Copy& copy : self.copy_groups.front()) take(copy);
    self.copy_groups.pop_front();
  }
}

void copy_wait_all() {
  copy_commit();
  copy_wait(0);
}

void finish_copies(Thread& thread) {
  thread.copy_groups.clear();  // nobody has waited for them, so nobody may count on them
  thread.open_copies.clear();
}

void defer(std::function<void()> work) {
  const TsanIgnore ignore;
  block().engine.push_back(std::move(work));
}

void matrix_issue(std::function<void()> work) {
  Block& b = block();
  Warp& warp = warp_of(*b.current);
  const bool idle = warp.open_products.empty() && warp.product_groups.empty();
  const Async when = options().matrix;
  if (when == Async::kEager || (when == Async::kRandom && idle && b.coin())) {
    work();
  } else {
    warp.open_products.push_back(std::move(work));
  }
}

void matrix_commit() {
  Warp& warp = warp_of(*block().current);
  warp.product_groups.push_back(std::move(warp.open_products));
  warp.open_products.clear();
}

void matrix_wait(int pending_groups) {
  Warp& warp = warp_of(*block().current);
  while (warp.product_groups.size() > static_cast<std::size_t>(pending_groups)) {
    for (const auto& work : warp.product_groups.front()) work();
    warp.product_groups.pop_front();
  }
}

void multiply_add(float* c, const float* a, const float* b, int m, int n, int k) {
  for (int i = 0; i < m; ++i) {
    for (int p = 0; p < k; ++p) {
      const float factor = a[i * k + p];
      for (int j = 0; j < n; ++j) c[i * n + j] += factor * b[p * n + j];
    }
  }
}

#ifdef QCF_EMULATION_TSAN
void note_read(const void* begin, std::size_t bytes) { __tsan_read_range(const_cast<void*>(begin), bytes); }
void note_write(const void* begin, std::size_t bytes) { __tsan_write_range(const_cast<void*>(begin), bytes); }
#else
void note_read(const void*, std::size_t) {}
void note_write(const void*, std::size_t) {}
#endif

namespace {
[[maybe_unused]] char* clock_of(const void* shared, unsigned phase) {
  Arena& a = arena();
  const auto offset = static_cast<std::size_t>(static_cast<const unsigned char*>(shared) - a.memory);
  return a.clocks + offset / 8 * 16 + (phase & 1) * 8;
}
}  // namespace

void clock_release([[maybe_unused]] const void* shared, [[maybe_unused]] unsigned phase) {
#ifdef QCF_EMULATION_TSAN
  tsan_release(clock_of(shared, phase));
#endif
}
void clock_acquire([[maybe_unused]] const void* shared, [[maybe_unused]] unsigned phase) {
#ifdef QCF_EMULATION_TSAN
  tsan_acquire(clock_of(shared, phase));
#endif
}

}  // namespace qcface::emulation
