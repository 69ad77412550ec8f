// What device code asks of the emulator. A block's threads are fibers of one operating-system thread; they
// change places only inside the functions below. Blocks run one after another. Everything here is called from
// a running kernel, except run_grid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

#include "kernels/emulation/options.h"
#include "kernels/emulation/types.h"

/// CUDA's built-in variables, set before a thread runs on.
inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace qcface::emulation {

/// Where in the kernel a call stands; a default argument of everything that can wait or fail.
using Site = std::source_location;

/// Runs kernel() once for every thread of the grid. Throws Error with what the emulator found wrong, or what
/// the kernel itself threw. `function` (may be null) is the kernel's address, for its name; `site` the
/// launch.
void run_grid(dim3 grid, dim3 block, std::size_t dynamic_bytes, const std::function<void()>& kernel,
              const void* function, const Site& site);

/// Records an error at the calling thread and unwinds it; the launch then throws.
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);

/// Index of the calling thread in its warp, and of its warp in the block.
int lane_index();
int warp_index();

// ---- barriers ---------------------------------------------------------------------------------------------
/// What __syncthreads and its relatives return: the threads with a true predicate, and all threads.
struct BarrierCount {
  int yes = 0;
  int all = 0;
};
/// threads = 0: every thread of the block, all from the same site; else the hardware's named barrier `id`.
BarrierCount barrier_sync(int id, int threads, bool predicate, const char* what, const Site& site);
void barrier_arrive(int id, int threads, const Site& site);

// ---- warp collectives -------------------------------------------------------------------------------------
/// Runs once a warp, when every lane of the mask has come: lanes[l] is lane l's argument, null for a lane
/// outside it.
using CollectiveFunction = void (*)(void* const* lanes, std::uint32_t mask, const void* common);
/// All lanes of the mask must come with the same function, mask and site. It orders no memory (as on the
/// GPU), except for syncwarp.
void collective(std::uint32_t mask, CollectiveFunction function, void* argument, const void* common,
                const char* what, const Site& site, bool orders_memory = false);
void syncwarp(std::uint32_t mask, const Site& site);
/// Copies `bytes` of *value of lane `source` to *value of the calling lane; keep = true leaves it as it is.
void shuffle(std::uint32_t mask, void* value, std::size_t bytes, int source, bool keep, const char* what,
             const Site& site);
/// Bit l: the predicate of lane l.
std::uint32_t ballot(std::uint32_t mask, bool predicate, const char* what, const Site& site);

// ---- waiting for a condition ------------------------------------------------------------------------------
/// One turn of a loop that polls: comes back after something has moved on in the block.
void yield_poll(const char* what, const Site& site);
/// Says that something has moved on.
void progress();

// ---- shared memory ----------------------------------------------------------------------------------------
unsigned char* dynamic_shared();
void* static_shared_slot(const void* key, std::size_t bytes, std::size_t alignment);
/// Offset of a shared address; fails unless [pointer, pointer + bytes) lies in one allocation of this block
/// and is a multiple of `alignment`.
std::uint32_t shared_offset(const void* pointer, std::size_t bytes, std::size_t alignment, const char* what,
                            const Site& site);
/// The reverse, with the same check of the range.
unsigned char* shared_at(std::uint32_t offset, std::size_t bytes, const char* what);

// ---- asynchronous work ------------------------------------------------------------------------------------
/// cp.async of the calling thread: copies source_bytes, fills up to bytes with zero. In groups, as the
/// hardware.
void copy_async(void* shared, const void* global, std::uint32_t bytes, std::uint32_t source_bytes);
void copy_commit();
void copy_wait(int pending_groups);
void copy_wait_all();
/// The block's copy engine (TMA): takes effect in order, at a time the settings choose.
void defer(std::function<void()> work);
/// The warp's matrix unit (wgmma): called once a warp, from within a CollectiveFunction.
void matrix_issue(std::function<void()> work);
void matrix_commit();
void matrix_wait(int pending_groups);

/// c[m, n] += a[m, k] b[k, n], all row-major; one fp32 addition after another in the order of k.
void multiply_add(float* c, const float* a, const float* b, int m, int n, int k);

// ---- Hopper: mbarrier and TMA -----------------------------------------------------------------------------
void mbarrier_init(std::uint64_t* barrier, int count, const Site& site);
/// One arrival that announces `bytes`.
void mbarrier_arrive(std::uint64_t* barrier, std::uint32_t bytes, const Site& site);
void mbarrier_wait(std::uint64_t* barrier, std::uint32_t parity, const Site& site);

/// In place of CUtensorMap: the same size and alignment.
struct alignas(64) TensorMap {
  std::uint64_t mark;
  const unsigned char* base;
  std::uint64_t inner, outer, row_bytes;
  std::uint32_t box_inner, box_outer;
};
static_assert(sizeof(TensorMap) <= 128);
bool encode_tensor_map(TensorMap* map, const void* base, std::uint64_t inner, std::uint64_t outer,
                       std::uint64_t row_bytes, std::uint32_t box_inner, std::uint32_t box_outer);
void tma_load_2d(void* shared, const TensorMap& map, int x, int y, std::uint64_t* barrier, const Site& site);
/// Checks the stretch and counts its bytes.
void bulk_prefetch(const void* from, std::uint32_t bytes, const Site& site);

// ---- ThreadSanitizer --------------------------------------------------------------------------------------
/// Report an access of the calling thread that an instruction makes, and orderings that an instruction gives.
/// A clock is named by any address in shared memory and a phase.
void note_read(const void* begin, std::size_t bytes);
void note_write(const void* begin, std::size_t bytes);
void clock_release(const void* shared, unsigned phase);
void clock_acquire(const void* shared, unsigned phase);

}  // namespace qcface::emulation
