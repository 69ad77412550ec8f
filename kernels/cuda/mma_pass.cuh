// Core of the mma plan: one block keeps a stationary tile A [64, D] in shared memory, streams the other matrix past it in
// tiles B [kStream, D] and, flash-attention-like, forms S = A B^T, P = f(S) and O += P B without S or P ever leaving the
// chip. D <= kDim, D % 8 == 0; columns past D are zero in shared memory.
//
// Work of one tile (8 warps, 2 or 3 barriers):
//   1. the tile has arrived; the copy of the next one starts
//   2. S: a warp makes 16 (or 32) rows x 16 columns of S over all of D       2 * 64 * kStream * D flops
//   3. f: every warp on its own piece of S in registers (sums need the row's maximum over the tile first)
//   4. P in the operand type through shared memory to all warps
//   5. O: a warp owns kDim / 8 columns of O for all 64 rows                  2 * 64 * kStream * D flops
// A warp owns columns and not rows of O because each element of B is then read by one warp only: 16 ldmatrix for 64 mma at
// kDim = 512, against 34 with 16 rows x 256 columns a warp. The price is P through shared memory, 4 KiB a tile.
//
// Registers (a thread of 256; 255 are allowed, so that one block has a multiprocessor):
//   kDim  kStream  O    S   fragments of A, B, P   row state of the sums rule
//   512   32       128  8   8..16                  22
//   256   64       64   16  8..20                  44
//   128   64       32   16  8..20                  44
// ptxas (nvcc 13.0, sm_80 / sm_90a), first pass and second, most over heads and types, no spills:
//   512: 253 / 255, 245 / 247    256: 249 / 251, 200 / 226    128: 196 / 203, 140 / 175
// Shared memory: A 128 kDim bytes, B 2 x 2 kStream kDim, P 128 kStream, rows 2 KiB + 32 kStream:
//   512: 64 + 64 + 4 + 3 KiB = 135 KiB    256: 32 + 64 + 8 + 4 = 108 KiB    128: 16 + 32 + 8 + 4 = 60 KiB
//
// Layouts. A row of A or B is kDim elements, in 16-byte pieces; piece p of row r lies at place p ^ (r & 7), so that eight
// rows at one piece touch all banks once. P is [64, kStream] with piece p of row r at p ^ (r & 7) for 128-byte rows and
// p ^ ((r >> 1) & 3) for 64-byte rows. With g = lane / 4, t = lane % 4 (PTX, mma.m16n8k16):
//   accumulator  c[0..1]: row g,     columns 2t, 2t+1       c[2..3]: row g + 8, the same columns
//   operand A    a[0]: row g, k 2t..   a[1]: row g + 8, k 2t..   a[2]: row g, k 2t + 8..   a[3]: row g + 8, k 2t + 8..
//   operand B    b[0]: k 2t.., column g   b[1]: k 2t + 8.., column g
#pragma once

#include "kernels/device/device.cuh"
#include "kernels/device/instructions/cp_async.cuh"
#include "kernels/device/instructions/ldmatrix.cuh"
#include "kernels/device/instructions/mma.cuh"
#include "kernels/device/types.cuh"

namespace qcface::kernels::cuda {

using namespace ::qcface::cuda;

/// What a test takes away from the core, to see that it is noticed. kNone everywhere else.
enum class MmaDefect {
  kNone,
  kShortWait,         // step 1 does not wait for the copy
  kNoArrivalBarrier,  // step 1 without its barrier
  kNoMaximumBarrier,  // step 3 without its barrier
  kNoOperandBarrier,  // step 4 without its barrier
};

template <int kWidth>
struct MmaShape {
  static constexpr int kDim = kWidth;
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / 32;
  static constexpr int kRows = 64;
  static constexpr int kStream = kDim > 256 ? 32 : 64;
  static constexpr int kColumnGroups = kStream / 16;           // S: warps side by side, 16 columns each
  static constexpr int kRowGroups = kWarps / kColumnGroups;    // S: and below each other
  static constexpr int kRowTiles = kRows / (16 * kRowGroups);  // S: m16 tiles a warp
  static constexpr int kSlice = kDim / kWarps;                 // O: columns a warp
  static constexpr int kSliceTiles = kSlice / 8;
  static constexpr int kThreadRows = 2 * kRowTiles;  // rows of S that a thread sees
  static constexpr int kPieces = kDim / 8;           // 16-byte pieces of a row
  static constexpr int kStagedStride = kDim + 8;     // O as fp32 rows in shared memory

  // bytes from the start of the dynamic shared memory
  static constexpr int kA = 0;
  static constexpr int kB = kA + kRows * kDim * 2;
  static constexpr int kTileBytes = kStream * kDim * 2;
  static constexpr int kP = kB + 2 * kTileBytes;
  static constexpr int kMaxima = kP + kRows * kStream * 2;                  // [2, column groups, 64] floats
  static constexpr int kRescale = kMaxima + 2 * kColumnGroups * kRows * 4;  // [64] floats
  static constexpr int kStreamRows = kRescale + kRows * 4;                  // [2, kStream] of 16 bytes
  static constexpr int kEnd = kStreamRows + 2 * kStream * 16;
  static constexpr int kBytes =
      kEnd > kRows* kStagedStride * 4 ? kEnd : kRows* kStagedStride * 4;  // O replaces everything at the end
};

/// A matrix of operand rows in global memory.
template <class T>
struct OperandRows {
  const T* data;  // [rows, d], 16-byte aligned rows
  std::int64_t rows;
  int d;  // a multiple of 8
};

/// Place of a 16-byte piece in a tile of kPieces pieces a row.
template <int kPieces>
__device__ __forceinline__ int piece_at(int row, int piece) {
  if constexpr (kPieces == 4) {
    return (row * 4 + (piece ^ ((row >> 1) & 3))) * 16;
  } else {
    return (row * kPieces + (piece ^ (row & 7))) * 16;
  }
}

/// Starts the copy of rows first .. first + kCount - 1; rows and columns past the end become zero.
template <class Shape, int kCount, class T>
__device__ __forceinline__ void copy_rows(unsigned char* tile, const OperandRows<T>& from,
                                          std::int64_t first) {
  static_assert(kCount * Shape::kPieces % Shape::kThreads == 0);
  QCF_UNROLL
  for (int i = 0; i < kCount * Shape::kPieces / Shape::kThreads; ++i) {
    const int at = i * Shape::kThreads + static_cast<int>(threadIdx.x);
    const int row = at / Shape::kPieces;
    const int piece = at % Shape::kPieces;
    const bool valid = first + row < from.rows && piece * 8 < from.d;
    const T* source = valid ? from.data + (first + row) * from.d + piece * 8 : from.data;
    cp_async_16(tile + piece_at<Shape::kPieces>(row, piece), source, valid);
  }
}

/// S of this warp: rows of its row group, columns of its column group. Piece 2 k + h of row r lies at place
/// (8 (k / 4)) + ((2 (k % 4)) ^ (h ^ (r & 7))), so one address a matrix and an exclusive or with a constant serve all k.
template <class Shape, class T>
__device__ __forceinline__ void scores(const unsigned char* a_tile, const unsigned char* b_tile,
                                       float (&c)[Shape::kRowTiles * 2][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row0 = warp / Shape::kColumnGroups * 16 * Shape::kRowTiles;
  const int column0 = warp % Shape::kColumnGroups * 16;
  const int a_place = piece_at<Shape::kPieces>(row0 + lane % 16, lane / 16);
  const int b_place = piece_at<Shape::kPieces>(column0 + lane / 16 * 8 + lane % 8, lane / 8 % 2);
  QCF_UNROLL
  for (int i = 0; i < Shape::kRowTiles * 2; ++i) c[i][0] = c[i][1] = c[i][2] = c[i][3] = 0.0f;
  QCF_UNROLL
  for (int k = 0; k < Shape::kDim / 16; ++k) {
    std::uint32_t b[4];  // columns 0-7 k 0-7, columns 0-7 k 8-15, columns 8-15 k 0-7, columns 8-15 k 8-15
    ldmatrix_x4<false>(b, b_tile + (b_place ^ k % 4 * 32) + k / 4 * 128);
    const std::uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
    QCF_UNROLL
    for (int m = 0; m < Shape::kRowTiles; ++m) {
      std::uint32_t a[4];
      ldmatrix_x4<false>(a, a_tile + (a_place ^ k % 4 * 32) + k / 4 * 128 + m * 16 * Shape::kPieces * 16);
      mma_m16n8k16<T>(c[2 * m], a, b0);
      mma_m16n8k16<T>(c[2 * m + 1], a, b1);
    }
  }
}

/// Writes this warp's piece of P for all warps.
template <class Shape, class T>
__device__ __forceinline__ void store_operand(unsigned char* p_tile,
                                              const float (&c)[Shape::kRowTiles * 2][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row0 = warp / Shape::kColumnGroups * 16 * Shape::kRowTiles + lane / 4;
  const int piece0 = warp % Shape::kColumnGroups * 2;
  QCF_UNROLL
  for (int i = 0; i < Shape::kRowTiles * 2; ++i) {
    QCF_UNROLL
    for (int h = 0; h < 2; ++h) {
      const int at = piece_at<Shape::kStream / 8>(row0 + i / 2 * 16 + 8 * h, piece0 + i % 2) + lane % 4 * 4;
      *reinterpret_cast<std::uint32_t*>(p_tile + at) = pack2<T>(c[i][2 * h], c[i][2 * h + 1]);
    }
  }
}

/// O of this warp (all 64 rows, its slice of the columns) += P B. o[m * kSliceTiles + n]: rows 16 m.., columns 8 n.. .
template <class Shape, class T>
__device__ __forceinline__ void accumulate(const unsigned char* p_tile, const unsigned char* b_tile,
                                           float (&o)[4 * Shape::kSliceTiles][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int b_place = piece_at<Shape::kPieces>(lane % 16, warp * Shape::kSliceTiles + lane / 16);
  QCF_UNROLL
  for (int k = 0; k < Shape::kStream / 16; ++k) {
    std::uint32_t p[4][4];
    QCF_UNROLL
    for (int m = 0; m < 4; ++m) {
      ldmatrix_x4<false>(p[m], p_tile + piece_at<Shape::kStream / 8>(16 * m + lane % 16, 2 * k + lane / 16));
    }
    QCF_UNROLL
    for (int n = 0; n < Shape::kSliceTiles; n += 2) {
      std::uint32_t b[4];  // k 0-7 columns 0-7, k 8-15 columns 0-7, k 0-7 columns 8-15, k 8-15 columns 8-15
      ldmatrix_x4<true>(b, b_tile + (b_place ^ n * 16) + k * 16 * Shape::kPieces * 16);
      const std::uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
      QCF_UNROLL
      for (int m = 0; m < 4; ++m) {
        mma_m16n8k16<T>(o[m * Shape::kSliceTiles + n], p[m], b0);
        mma_m16n8k16<T>(o[m * Shape::kSliceTiles + n + 1], p[m], b1);
      }
    }
  }
}

/// Rows of S that this thread sees: thread_row(i), i < kThreadRows, two for each m16 tile of its warp.
template <class Shape>
__device__ __forceinline__ int thread_row(int i) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return warp / Shape::kColumnGroups * 16 * Shape::kRowTiles + i / 2 * 16 + i % 2 * 8 + lane / 4;
}

/// Columns of S that this thread sees: element e of accumulator n (0, 1) of an m16 tile.
template <class Shape>
__device__ __forceinline__ int thread_column(int n, int e) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return warp % Shape::kColumnGroups * 16 + n * 8 + lane % 4 * 2 + e % 2;
}

}  // namespace qcface::kernels::cuda
