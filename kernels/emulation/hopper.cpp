// mbarrier and TMA.
#include <atomic>
#include <cstring>

#include "kernels/emulation/block_state.h"
#include "kernels/emulation/runtime.h"
#include "kernels/emulation/sanitizer.h"

namespace qcface::emulation {

namespace {

/// What the 64 bits of an mbarrier hold here. Of fresh shared memory (0xFF) `count` is out of range.
struct Mbarrier {
  std::int32_t bytes;  // announced and not yet landed
  std::uint32_t phase : 1, count : 15, pending : 16;
};
static_assert(sizeof(Mbarrier) == 8);
constexpr unsigned kMaxCount = 1024;

Mbarrier load(const std::uint64_t* barrier, const char* what, const Site& site) {
  shared_offset(barrier, 8, 8, what, site);
  Mbarrier value;
  std::memcpy(&value, barrier, 8);
  if (value.count == 0 || value.count > kMaxCount) {
    fail("%s at %s: the mbarrier was not initialised", what, describe(site).c_str());
  }
  return value;
}

void save(std::uint64_t* barrier, Mbarrier value) {
  if (value.pending == 0 && value.bytes == 0) {
    value.phase ^= 1;
    value.pending = value.count;
  }
  std::memcpy(barrier, &value, 8);
  progress();
}

constexpr std::uint64_t kMark = 0x70614D726F736E54;

}  // namespace

void mbarrier_init(std::uint64_t* barrier, int count, const Site& site) {
  const TsanIgnore ignore;
  shared_offset(barrier, 8, 8, "mbarrier.init", site);
  if (count < 1 || count > static_cast<int>(kMaxCount)) {
    fail("mbarrier.init at %s: a count of %d, expected 1 to %u", describe(site).c_str(), count, kMaxCount);
  }
  const auto n = static_cast<unsigned>(count);
  Mbarrier value{};
  value.count = n & 0x7FFF;
  value.pending = n & 0xFFFF;
  std::memcpy(barrier, &value, 8);
}

void mbarrier_arrive(std::uint64_t* barrier, std::uint32_t bytes, const Site& site) {
  const TsanIgnore ignore;
  Mbarrier value = load(barrier, "mbarrier.arrive", site);
  if (value.pending == 0) {
    fail("mbarrier.arrive at %s: more than the %u arrivals of this phase", describe(site).c_str(),
         static_cast<unsigned>(value.count));
  }
  clock_release(barrier, value.phase);
  value.bytes += static_cast<std::int32_t>(bytes);
  --value.pending;
  save(barrier, value);
}

void mbarrier_wait(std::uint64_t* barrier, std::uint32_t parity, const Site& site) {
  if (parity > 1) fail("mbarrier.try_wait at %s: parity %u", describe(site).c_str(), parity);
  const TsanIgnore ignore;
  while (load(barrier, "mbarrier.try_wait", site).phase == parity) yield_poll("mbarrier.try_wait", site);
  clock_acquire(barrier, parity);
}

bool encode_tensor_map(TensorMap* map, const void* base, std::uint64_t inner, std::uint64_t outer,
                       std::uint64_t row_bytes, std::uint32_t box_inner, std::uint32_t box_outer) {
  const std::uint64_t most = std::uint64_t{1} << 32;
  if (base == nullptr || reinterpret_cast<std::uintptr_t>(base) % 16 != 0 || row_bytes % 16 != 0 ||
      inner == 0 || outer == 0 || inner > most || outer > most || row_bytes >= most << 8 ||
      row_bytes < inner * 2 || box_inner == 0 || box_inner * 2 > 128 || box_inner % 8 != 0 ||
      box_outer == 0 || box_outer > 256) {
    return false;
  }
  *map = TensorMap{kMark,    static_cast<const unsigned char*>(base), inner, outer, row_bytes, box_inner,
                   box_outer};
  return true;
}

void tma_load_2d(void* shared, const TensorMap& map, int x, int y, std::uint64_t* barrier, const Site& site) {
  std::uint32_t bytes = 0;
  {
    const TsanIgnore ignore;
    if (map.mark != kMark) fail("TMA at %s: not a tensor map", describe(site).c_str());
    bytes = map.box_inner * map.box_outer * 2;
    shared_offset(shared, bytes, 1024, "TMA", site);
  }
  // For ThreadSanitizer the issuing thread writes the box now, and whoever waits for the barrier comes after
  // it.
  note_write(shared, bytes);
  const TsanIgnore ignore;
  clock_release(barrier, load(barrier, "TMA", site).phase);
  defer([=] {
    const std::uint32_t start = shared_offset(shared, bytes, 1024, "TMA", site);
    for (std::uint32_t r = 0; r < map.box_outer; ++r) {
      for (std::uint32_t c = 0; c < map.box_inner; ++c) {
        std::uint32_t address = start + (r * map.box_inner + c) * 2;
        address ^= (address >> 7 & 7) << 4;
        unsigned char* const to = shared_at(address, 2, "TMA");
        const std::int64_t gx = std::int64_t{x} + c, gy = std::int64_t{y} + r;
        const bool inside = gx >= 0 && gy >= 0 && static_cast<std::uint64_t>(gx) < map.inner &&
                            static_cast<std::uint64_t>(gy) < map.outer;
        if (inside) {
          std::memcpy(to, map.base + static_cast<std::uint64_t>(gy) * map.row_bytes + 2 * gx, 2);
        } else {
          std::memset(to, 0, 2);
        }
      }
    }
    Mbarrier value = load(barrier, "TMA", site);
    value.bytes -= static_cast<std::int32_t>(bytes);
    save(barrier, value);
  });
}

namespace {
std::atomic<std::uint64_t> prefetched{0};
}

void bulk_prefetch(const void* from, std::uint32_t bytes, const Site& site) {
  if (reinterpret_cast<std::uintptr_t>(from) % 16 != 0 || bytes % 16 != 0 || bytes == 0) {
    fail("cp.async.bulk.prefetch at %s: %u bytes at %p, expected multiples of 16", describe(site).c_str(),
         bytes, from);
  }
  // Both ends are read, so that AddressSanitizer sees a stretch that leaves its memory.
  const auto* const first = static_cast<const volatile unsigned char*>(from);
  (void)first[0];
  (void)first[bytes - 1];
  prefetched += bytes;
}

std::uint64_t bulk_prefetched_bytes() { return prefetched; }

}  // namespace qcface::emulation
