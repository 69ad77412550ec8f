// wgmma (sm_90a): D[64, N] += A[64, 16] B[16, N] over a warpgroup of four warps, operands of 16 bits in
// shared memory (or A in registers), sums in fp32. It runs on its own: results are there, and operands may be
// overwritten, only after wgmma_wait. A warpgroup is four consecutive warps, the first a multiple of four;
// all 128 threads call everything here.
//
// Shared-memory tiles have the 128-byte swizzle of TMA (tma.cuh) and start at multiples of 1024 bytes:
//   K-major   (kTranspose = kNo):  [M or N rows][64 values of K], 128 bytes a row. K step s of 16 starts 32 s
//             bytes in.
//   MN-major  (kTranspose = kYes): [K rows][64 values of M or N], 128 bytes a row, and for more than 64 values
//             the next 64 as another such tile `block_bytes` further on. K step s starts 2048 s bytes in.
#pragma once

#include <type_traits>

#include "kernels/device/instructions/mbarrier.cuh"
#include "kernels/device/types.cuh"

namespace qcface::cuda {

enum class Transpose : int { kNo = 0, kYes = 1 };

#ifdef QCF_EMULATE
namespace detail {
// The 16-byte piece that holds [mn][k .. k + 7] of a K-major or [k][mn .. mn + 7] of an MN-major operand.
template <Transpose kTranspose>
std::uint32_t wgmma_piece(std::uint64_t descriptor, int mn, int k) {
  const auto field = [descriptor](int shift) {
    return static_cast<std::uint32_t>(descriptor >> shift & 0x3FFF) << 4;
  };
  const std::uint32_t start = field(0), leading = field(16), stride = field(32);
  if (descriptor >> 62 != 1) emulation::fail("wgmma: the descriptor has no 128-byte swizzle");
  std::uint32_t address = start;
  if constexpr (kTranspose == Transpose::kYes) {
    address += static_cast<std::uint32_t>(mn / 64) * leading + static_cast<std::uint32_t>(k / 8) * stride +
               static_cast<std::uint32_t>(k % 8 * 128 + mn % 64 * 2);
  } else {
    address += static_cast<std::uint32_t>(mn / 8) * stride + static_cast<std::uint32_t>(mn % 8 * 128 + k * 2);
  }
  return address ^ (address >> 7 & 7) << 4;
}

/// Reads rows [first, first + count) of M or N and 16 of K to out[mn * mn_step + k * k_step].
template <class T, Transpose kTranspose>
void wgmma_operand(std::uint64_t descriptor, int first, int count, float* out, int mn_step, int k_step) {
  constexpr bool kMnMajor = kTranspose == Transpose::kYes;
  for (int mn = 0; mn < count; mn += kMnMajor ? 8 : 1) {
    for (int k = 0; k < 16; k += kMnMajor ? 1 : 8) {
      std::uint32_t pairs[4];
      std::memcpy(pairs,
                  emulation::shared_at(wgmma_piece<kTranspose>(descriptor, first + mn, k), 16, "wgmma"), 16);
      for (int e = 0; e < 8; ++e) {
        const float2 both = unpack2<T>(pairs[e / 2]);
        const int at_mn = kMnMajor ? mn + e : mn, at_k = kMnMajor ? k : k + e;
        out[at_mn * mn_step + at_k * k_step] = e % 2 == 0 ? both.x : both.y;
      }
    }
  }
}

struct WgmmaLane {
  float* d;
  std::uint32_t a[4];      // A in registers
  std::uint64_t a_shared;  // or in shared memory
  std::uint64_t b_shared;
  int scale_d;
};

// Fragments as the PTX ISA draws them, with w the warp of the warpgroup, g = lane / 4 and t = lane % 4: d[i]
// holds row 16 w + g + 8 (i / 2 & 1), column 8 (i / 4) + 2 t + (i & 1); A in registers is laid out as for
// mma.m16n8k16.
template <class T, int N, Transpose kTransposeA, Transpose kTransposeB, bool kRegisterA>
void wgmma_warp(void* const* lanes, std::uint32_t mask, const void*) {
  if (mask != ~0u) emulation::fail("wgmma needs all 32 lanes of each warp");
  struct Work {
    WgmmaLane lane[32];
    int warp;
  } work;
  for (int l = 0; l < 32; ++l) {
    work.lane[l] = *static_cast<const WgmmaLane*>(lanes[l]);
    if (work.lane[l].a_shared != work.lane[0].a_shared || work.lane[l].b_shared != work.lane[0].b_shared ||
        work.lane[l].scale_d != work.lane[0].scale_d) {
      emulation::fail("wgmma: lane %d has other descriptors or another scale than lane 0", l);
    }
  }
  work.warp = emulation::warp_index() % 4;
  emulation::matrix_issue([work] {
    static float a[16 * 16], b[16 * N], d[16 * N];
    for (int l = 0; l < 32; ++l) {
      const int g = l / 4, t = l % 4;
      for (int i = 0; i < N / 2; ++i) {
        const int at = (g + 8 * (i / 2 & 1)) * N + 8 * (i / 4) + 2 * t + (i & 1);
        d[at] = work.lane[l].scale_d != 0 ? work.lane[l].d[i] : 0.0f;
      }
      for (int i = 0; kRegisterA && i < 4; ++i) {
        const float2 v = unpack2<T>(work.lane[l].a[i]);
        a[(g + 8 * (i & 1)) * 16 + 2 * t + 8 * (i / 2)] = v.x;
        a[(g + 8 * (i & 1)) * 16 + 2 * t + 8 * (i / 2) + 1] = v.y;
      }
    }
    if constexpr (!kRegisterA) {
      wgmma_operand<T, kTransposeA>(work.lane[0].a_shared, 16 * work.warp, 16, a, 16, 1);
    }
    wgmma_operand<T, kTransposeB>(work.lane[0].b_shared, 0, N, b, 1, N);
    emulation::multiply_add(d, a, b, 16, N, 16);
    for (int l = 0; l < 32; ++l) {
      const int g = l / 4, t = l % 4;
      for (int i = 0; i < N / 2; ++i) {
        work.lane[l].d[i] = d[(g + 8 * (i / 2 & 1)) * N + 8 * (i / 4) + 2 * t + (i & 1)];
      }
    }
  });
}

// ThreadSanitizer: the reads of one warp, spread over its lanes.
template <Transpose kTranspose>
void wgmma_note(std::uint64_t descriptor, int first, int count) {
#ifdef __SANITIZE_THREAD__
  const int lane = emulation::lane_index();
  for (int piece = lane; piece < 2 * count; piece += 32) {
    const int mn = kTranspose == Transpose::kYes ? piece / 16 * 8 : piece / 2;
    const int k = kTranspose == Transpose::kYes ? piece % 16 : piece % 2 * 8;
    emulation::note_read(
        emulation::shared_at(wgmma_piece<kTranspose>(descriptor, first + mn, k), 16, "wgmma"), 16);
  }
#else
  (void)descriptor, (void)first, (void)count;
#endif
}
inline void wgmma_commit_warp(void* const*, std::uint32_t, const void*) { emulation::matrix_commit(); }
template <int kPending>
void wgmma_wait_warp(void* const*, std::uint32_t, const void*) {
  emulation::matrix_wait(kPending);
}
inline std::uint32_t wgmma_address(const void* tile, const emulation::Site& site) {
  return emulation::shared_offset(tile, 16, 16, "wgmma descriptor", site);
}
}  // namespace detail
#else
namespace detail {
__device__ __forceinline__ std::uint32_t wgmma_address(const void* tile) { return shared_address(tile); }
}  // namespace detail
#endif

/// Descriptor of a K-major tile; `tile` may point 32 s bytes into it for K step s, and 1024 r bytes further
/// for rows from 8 r on.
__device__ __forceinline__ std::uint64_t wgmma_descriptor_k_major(const void* tile QCF_SITE) {
#ifdef QCF_EMULATE
  const std::uint32_t address = detail::wgmma_address(tile, site);
#else
  const std::uint32_t address = detail::wgmma_address(tile);
#endif
  // The leading offset means nothing with a swizzle; 1 is what the ISA asks for. 8 rows are 1024 bytes.
  return (address >> 4 & 0x3FFFull) | 1ull << 16 | std::uint64_t{1024 >> 4} << 32 | 1ull << 62;
}

/// Descriptor of an MN-major tile; `tile` may point 2048 s bytes into it for K step s. block_bytes: from 64
/// values of M or N to the next 64 (any value where the operand has no more than 64).
__device__ __forceinline__ std::uint64_t wgmma_descriptor_mn_major(const void* tile,
                                                                   std::uint32_t block_bytes QCF_SITE) {
#ifdef QCF_EMULATE
  const std::uint32_t address = detail::wgmma_address(tile, site);
#else
  const std::uint32_t address = detail::wgmma_address(tile);
#endif
  return (address >> 4 & 0x3FFFull) | (std::uint64_t{block_bytes} >> 4 & 0x3FFFull) << 16 |
         std::uint64_t{1024 >> 4} << 32 | 1ull << 62;
}

/// Before the first wgmma, and whenever registers of D or A were written by other instructions since the
/// last.
__device__ __forceinline__ void wgmma_fence() {
#ifndef QCF_EMULATE
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

/// Keeps the compiler from moving accesses to accumulators across a fence or a wait.
template <int Count>
__device__ __forceinline__ void wgmma_hold([[maybe_unused]] float (&d)[Count]) {
#ifndef QCF_EMULATE
  QCF_UNROLL for (int i = 0; i < Count; ++i) asm volatile("" : "+f"(d[i])::"memory");
#endif
}

__device__ __forceinline__ void wgmma_commit(QCF_SITE_ONLY) {
#ifdef QCF_EMULATE
  emulation::collective(~0u, detail::wgmma_commit_warp, nullptr, nullptr, "wgmma.commit_group", site);
#else
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/// Waits until at most kPending groups, the youngest, are under way.
template <int kPending>
__device__ __forceinline__ void wgmma_wait(QCF_SITE_ONLY) {
#ifdef QCF_EMULATE
  // The warp's reads of its operands have ended for every lane, so one lane may give the buffer back.
  emulation::collective(~0u, detail::wgmma_wait_warp<kPending>, nullptr, nullptr, "wgmma.wait_group", site,
                        true);
#else
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#endif
}

/// Registers a thread of the calling warpgroup may use from now on: a multiple of 8, 24 to 240. All four
/// warps.
template <int kRegisters>
__device__ __forceinline__ void warpgroup_registers_increase() {
#ifndef QCF_EMULATE
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}
template <int kRegisters>
__device__ __forceinline__ void warpgroup_registers_decrease() {
#ifndef QCF_EMULATE
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}

}  // namespace qcface::cuda

#ifndef QCF_EMULATE
#include "kernels/device/instructions/wgmma_asm.cuh"
#endif

namespace qcface::cuda {

/// D (+)= A B, both operands in shared memory. T = __nv_bfloat16 or __half, N = 32, 64, 128 or 256. scale_d =
/// 0 starts from zero instead of d. d[i] of lane l of warp w holds row 16 w + l / 4 + 8 (i / 2 & 1), column 8
/// (i / 4) + 2 (l % 4) + (i & 1). The transposes say that an operand is MN-major.
template <class T, int N, Transpose kTransposeA = Transpose::kNo, Transpose kTransposeB = Transpose::kNo>
__device__ __forceinline__ void wgmma_m64k16(float (&d)[N / 2], std::uint64_t a, std::uint64_t b,
                                             int scale_d QCF_SITE) {
  static_assert(std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>);
  static_assert(N >= 64 || kTransposeB == Transpose::kNo, "the swizzle of an N-major B spans 64 columns");
#ifdef QCF_EMULATE
  detail::wgmma_note<kTransposeA>(a, 16 * (emulation::warp_index() % 4), 16);
  detail::wgmma_note<kTransposeB>(b, 0, N);
  detail::WgmmaLane lane{d, {}, a, b, scale_d};
  emulation::collective(~0u, detail::wgmma_warp<T, N, kTransposeA, kTransposeB, false>, &lane, nullptr,
                        "wgmma", site);
#else
  detail::wgmma_shared_a<T, static_cast<int>(kTransposeA), static_cast<int>(kTransposeB)>(d, a, b, scale_d);
#endif
}

/// The same with A in registers, each warp its 16 rows, laid out as for mma_m16n8k16 (mma.cuh). The registers
/// must stay as they are until wgmma_wait.
template <class T, int N, Transpose kTransposeB = Transpose::kNo>
__device__ __forceinline__ void wgmma_m64k16(float (&d)[N / 2], const std::uint32_t (&a)[4], std::uint64_t b,
                                             int scale_d QCF_SITE) {
  static_assert(std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>);
  static_assert(N >= 64 || kTransposeB == Transpose::kNo, "the swizzle of an N-major B spans 64 columns");
#ifdef QCF_EMULATE
  detail::wgmma_note<kTransposeB>(b, 0, N);
  detail::WgmmaLane lane{d, {a[0], a[1], a[2], a[3]}, 0, b, scale_d};
  emulation::collective(~0u, detail::wgmma_warp<T, N, Transpose::kNo, kTransposeB, true>, &lane, nullptr,
                        "wgmma", site);
#else
  detail::wgmma_register_a<T, static_cast<int>(kTransposeB)>(d, a, b, scale_d);
#endif
}

}  // namespace qcface::cuda
