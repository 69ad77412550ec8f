// Core of the wgmma plan (sm_90a): the two fused passes with TMA and wgmma, warp-specialised. A block has three warpgroups:
// one whose first thread copies tiles into a ring, and two that compute. S = A B^T, P = f(S), O += P B as in
// mma_pass.cuh, with stationary A [64, D] and streaming B [64, D].
//
// One tile in a consumer warpgroup w (of 0, 1):
//   1. wait for the tile; S_w = A (B rows 32 w .. 32 w + 31)^T            wgmma m64n32k16, kDim / 16 of them
//   2. the wait for S also ends O += P B of the tile before: its place in the ring is given back
//   3. f in registers (sums: the row's maximum is exchanged with the other warpgroup first); P_w to shared memory
//   4. O_w (columns w kDim / 2 ..) += P B                                  wgmma m64n(kDim / 2)k16, four of them, not waited for
// P has two buffers: a warpgroup writes P(t + 2) after the barrier of step 4 of t + 1, and it reached that after both had
// waited for O of tile t. So no barrier protects P, and the tensor cores go from O(t) to S(t + 1) without a gap.
//
// Registers of a consumer (setmaxnreg 240; the producer's warpgroup keeps 24: 2 * 128 * 240 + 128 * 24 <= 65536):
//   kDim  O    S   row state of the sums rule   streamed rows of the weights rule
//   512   128  16  22                           32
//   256   64   16  22                           32
//   128   32   16  22                           32
// ptxas (nvcc 13.0): 168 a thread at launch (65536 / 384), no spills with 240 in the consumers.
// Shared memory (of 227 KiB): A 128 kDim bytes, B kStages x 128 kDim, P 2 x 8 KiB, maxima 2 KiB, barriers
//   512: 64 + 2 * 64 + 16 + 3 = 211 KiB    256: 32 + 4 * 32 + 16 + 3 = 179 KiB    128: 16 + 4 * 16 + 16 + 3 = 99 KiB
// L2 traffic: 64 streamed rows (128 kDim bytes) feed 2 * 2 * 64 * 64 * kDim flops: 128 flops a byte.
//
// Layouts. A and B are kDim / 64 blocks of [64 rows][64 columns], 128 bytes a row, as TMA's 128-byte swizzle leaves them:
// 16-byte piece p of row r at p ^ (r & 7). S reads them K-major, O reads B MN-major with 8 KiB between blocks. P is one
// such block, written by the threads: K-major for O. Accumulators: see wgmma.cuh; a thread holds rows g and g + 8 of its
// warp's 16, g = lane / 4, in S and in O alike, so O is rescaled from registers.
#pragma once

#include "kernels/device/device.cuh"
#include "kernels/device/instructions/mbarrier.cuh"
#include "kernels/device/instructions/named_barrier.cuh"
#include "kernels/device/instructions/tma.cuh"
#include "kernels/device/instructions/wgmma.cuh"
#include "kernels/device/types.cuh"

namespace qcface::kernels::cuda {

using namespace ::qcface::cuda;

/// What a test takes away from the core, to see that it is noticed. kNone everywhere else.
enum class WgmmaDefect {
  kNone,
  kShortWait,         // step 2 leaves S under way
  kNoArrival,         // step 1 does not wait for the tile
  kEarlyRelease,      // the tile's place is given back before O has read it
  kNoMaximumBarrier,  // step 3 without the barrier of the maxima
  kNoOperandBarrier,  // step 4 without the barrier of P
};

template <int kWidth>
struct WgmmaShape {
  static constexpr int kDim = kWidth;
  static constexpr int kThreads = 384;
  static constexpr int kConsumers = 256;
  static constexpr int kRows = 64;
  static constexpr int kStream = 64;
  static constexpr int kHalf = kDim / 2;  // columns of O a warpgroup
  static constexpr int kStages = kDim > 256 ? 2 : 4;
  static constexpr int kBlocks = kDim / 64;
  static constexpr int kBlockBytes = 64 * 128;
  static constexpr int kTileBytes = kBlocks * kBlockBytes;
  static constexpr int kStagedStride = kDim + 8;  // O as fp32 rows in shared memory

  // bytes from the start of the dynamic shared memory
  static constexpr int kA = 0;
  static constexpr int kB = kA + kTileBytes;
  static constexpr int kP = kB + kStages * kTileBytes;
  static constexpr int kMaxima = kP + 2 * kBlockBytes;  // [2 buffers, 2 kinds, 2 warpgroups, 64] floats
  static constexpr int kBarriers =
      kMaxima + 2 * 2 * 2 * kRows * 4;  // stationary, full [kStages], empty [kStages]
  static constexpr int kBytes = kBarriers + (1 + 2 * kStages) * 8;
  static_assert(kBytes <= 227 * 1024);
  static_assert(kRows * kStagedStride * 4 <= kMaxima);
};

inline constexpr int kMaximumBarrier = 1, kOperandBarrier = 2,
                     kEndBarrier = 3;  // named barriers of the consumers

template <class Shape>
struct WgmmaBarriers {
  std::uint64_t* stationary;
  std::uint64_t* full;
  std::uint64_t* empty;

  __device__ __forceinline__ explicit WgmmaBarriers(unsigned char* shared)
      : stationary(reinterpret_cast<std::uint64_t*>(shared + Shape::kBarriers)),
        full(stationary + 1),
        empty(full + Shape::kStages) {}

  /// By the whole block, before its warpgroups part.
  __device__ __forceinline__ void init() const {
    if (threadIdx.x == 0) {
      mbarrier_init(stationary, 1);
      QCF_UNROLL
      for (int stage = 0; stage < Shape::kStages; ++stage) {
        mbarrier_init(&full[stage], 1);
        mbarrier_init(&empty[stage], Shape::kConsumers / 32);
      }
      mbarrier_init_fence();
    }
    __syncthreads();
  }
};

/// Place in the ring and its parity.
template <class Shape>
struct RingPlace {
  int stage = 0;
  std::uint32_t parity = 0;
  __device__ __forceinline__ void advance() {
    if (++stage == Shape::kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/// The producer: one thread copies the stationary tile and then the streaming tiles begin .. end - 1.
template <class Shape>
__device__ __forceinline__ void produce(unsigned char* shared, const TensorMap* stationary,
                                        std::int64_t first_row, const TensorMap* streaming,
                                        std::int64_t begin, std::int64_t end) {
  const WgmmaBarriers<Shape> barriers(shared);
  mbarrier_expect_tx(barriers.stationary, Shape::kTileBytes);
  for (int block = 0; block < Shape::kBlocks; ++block) {
    tma_load_2d(shared + Shape::kA + block * Shape::kBlockBytes, stationary, block * 64,
                static_cast<int>(first_row), barriers.stationary);
  }
  RingPlace<Shape> place;
  for (std::int64_t tile = begin; tile < end; ++tile) {
    mbarrier_wait(&barriers.empty[place.stage], place.parity ^ 1);
    mbarrier_expect_tx(&barriers.full[place.stage], Shape::kTileBytes);
    unsigned char* const to = shared + Shape::kB + place.stage * Shape::kTileBytes;
    for (int block = 0; block < Shape::kBlocks; ++block) {
      tma_load_2d(to + block * Shape::kBlockBytes, streaming, block * 64,
                  static_cast<int>(tile * Shape::kStream), &barriers.full[place.stage]);
    }
    place.advance();
  }
}

/// Starts S of this warpgroup.
template <class Shape, class T>
__device__ __forceinline__ void start_scores(const unsigned char* a_tile, const unsigned char* b_tile,
                                             int warpgroup, float (&s)[16]) {
  wgmma_hold(s);
  wgmma_fence();
  QCF_UNROLL
  for (int k = 0; k < Shape::kDim / 16; ++k) {
    const int at = k / 4 * Shape::kBlockBytes + k % 4 * 32;
    wgmma_m64k16<T, 32>(s, wgmma_descriptor_k_major(a_tile + at),
                        wgmma_descriptor_k_major(b_tile + at + warpgroup * 32 * 128), k > 0);
  }
  wgmma_commit();
}

/// Starts O of this warpgroup += P B.
template <class Shape, class T>
__device__ __forceinline__ void start_accumulate(const unsigned char* p_tile, const unsigned char* b_tile,
                                                 int warpgroup, float (&o)[Shape::kHalf / 2]) {
  wgmma_hold(o);
  wgmma_fence();
  const unsigned char* const columns = b_tile + warpgroup * (Shape::kHalf / 64) * Shape::kBlockBytes;
  QCF_UNROLL
  for (int k = 0; k < Shape::kStream / 16; ++k) {
    wgmma_m64k16<T, Shape::kHalf, Transpose::kNo, Transpose::kYes>(
        o, wgmma_descriptor_k_major(p_tile + k * 32),
        wgmma_descriptor_mn_major(columns + k * 2048, Shape::kBlockBytes), 1);
  }
  wgmma_commit();
}

/// Row of S and O that element i of this thread belongs to (i / 2 & 1 = 0 or 1), and column of S in the tile.
__device__ __forceinline__ int wgmma_row(int h) {
  return static_cast<int>(threadIdx.x) / 32 % 4 * 16 + static_cast<int>(threadIdx.x) % 32 / 4 + 8 * h;
}
__device__ __forceinline__ int wgmma_column(int warpgroup, int i) {
  return warpgroup * 32 + i / 4 * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + i % 2;
}

/// Writes this warpgroup's half of P and makes it visible to wgmma.
template <class T>
__device__ __forceinline__ void store_wgmma_operand(unsigned char* p_tile, int warpgroup,
                                                    const float (&s)[16]) {
  QCF_UNROLL
  for (int i = 0; i < 16; i += 2) {
    const int row = wgmma_row(i / 2 % 2);
    const int piece = warpgroup * 4 + i / 4;
    const int at = row * 128 + (piece ^ (row & 7)) * 16 + static_cast<int>(threadIdx.x) % 4 * 4;
    *reinterpret_cast<std::uint32_t*>(p_tile + at) = pack2<T>(s[i], s[i + 1]);
  }
  async_proxy_fence();
}

/// Gives a place of the ring back: one arrival a warp, after its wgmma have read it.
template <class Shape>
__device__ __forceinline__ void release(const WgmmaBarriers<Shape>& barriers, int stage) {
  if (threadIdx.x % 32 == 0) mbarrier_arrive(&barriers.empty[stage]);
}

}  // namespace qcface::kernels::cuda
