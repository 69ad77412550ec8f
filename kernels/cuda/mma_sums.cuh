// First pass of the mma plan: stationary unit rows of x, streaming unit class rows. S = cosines, P = exp(s N - shift) N',
// O = sum_j P_ij wh_j, with one running shift a row.
#pragma once

#include "kernels/cuda/error_record.h"
#include "kernels/cuda/fused.h"
#include "kernels/cuda/fused_rules.cuh"
#include "kernels/cuda/mma_pass.cuh"

namespace qcface::kernels::cuda {

template <class T>
struct MmaSums {
  OperandRows<T> x, w;
  float s, mv_a;
  const float* t;
  const float* margin;
  const float* target_c;
  const std::int64_t* label;
  bool plain, vectors;
  int parts;
  FusedPartials partials;
  ErrorRecord* errors;
};

template <class Shape, class Negatives, class T, MmaDefect kDefect>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    mma_sums_kernel(const __grid_constant__ MmaSums<T> args) {
  QCF_DYNAMIC_SHARED(shared);
  unsigned char* const a_tile = shared + Shape::kA;
  unsigned char* const p_tile = shared + Shape::kP;
  float* const maxima = reinterpret_cast<float*>(shared + Shape::kMaxima);
  float* const rescale = reinterpret_cast<float*>(shared + Shape::kRescale);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int group = static_cast<int>(threadIdx.x) / 32 % Shape::kColumnGroups;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * Shape::kRows;
  const std::int64_t part = blockIdx.y;
  // Places among the classes fit in int: K_loc < 2^31 - 255.
  const std::int64_t tiles = (args.w.rows + Shape::kStream - 1) / Shape::kStream;
  const int begin = static_cast<int>(part * tiles / args.parts);
  const int end = static_cast<int>((part + 1) * tiles / args.parts);

  copy_rows<Shape, Shape::kRows>(a_tile, args.x, first_row);
  copy_rows<Shape, Shape::kStream>(shared + Shape::kB, args.w, begin * Shape::kStream);
  cp_async_commit();

  NegativeParams params{0.0f, args.mv_a};
  if constexpr (Negatives::kUsesT) params.t = *args.t;
  const bool plain = Negatives::kHasHard && args.plain;
  float operand_scale = 1.0f;
  if constexpr (OperandRange<T>::kScaled) {
    operand_scale = power_of_two_below(kMostLazyExponential * slope_bound<Negatives>(params));
  }
  SumsRows<Negatives, T, Shape::kThreadRows> rows;
  QCF_UNROLL
  for (int i = 0; i < Shape::kThreadRows; ++i) {
    const std::int64_t row = first_row + thread_row<Shape>(i);
    const bool valid = row < args.x.rows;
    const std::int64_t at = valid ? row : 0;
    rows.load(i, valid, args.margin[at], args.target_c[at], args.label[at]);
  }
  float o[4 * Shape::kSliceTiles][4] = {};
  int bad_class = 0x7FFFFFFF;
  const int columns = static_cast<int>(args.w.rows);

  for (int tile = begin; tile < end; ++tile) {
    const int buffer = (tile - begin) & 1;
    unsigned char* const b_tile = shared + Shape::kB + buffer * Shape::kTileBytes;
    cp_async_wait<kDefect == MmaDefect::kShortWait ? 1 : 0>();
    // The tile is there for all threads, and all have done with the other buffer, P, the maxima and the rescaling.
    if constexpr (kDefect != MmaDefect::kNoArrivalBarrier) __syncthreads();
    if (tile + 1 < end) {
      copy_rows<Shape, Shape::kStream>(shared + Shape::kB + (buffer ^ 1) * Shape::kTileBytes, args.w,
                                       (tile + 1) * Shape::kStream);
      cp_async_commit();
    }
    float c[Shape::kRowTiles * 2][4];
    scores<Shape, T>(a_tile, b_tile, c);

    // Highest logit of every row in this tile: four lanes, then the column groups.
    const int column0 = tile * Shape::kStream;
    QCF_UNROLL
    for (int i = 0; i < Shape::kThreadRows; ++i) {
      float highest = -1.0f, plain_highest = -1.0f;  // no logit is below -s; the label must not set a shift
      QCF_UNROLL
      for (int e = 0; e < 4; ++e) {
        float& value = c[i / 2 * 2 + e / 2][i % 2 * 2 + e % 2];
        const int j = column0 + thread_column<Shape>(e / 2, e);
        if (j < columns && !(value == value)) bad_class = min(bad_class, j);
        value = rows.cosine(i, value, j, columns);
        highest = fmaxf(highest, Negatives::negative(params, value, rows.margin[i]).logit);
        plain_highest = fmaxf(plain_highest, value);
      }
      QCF_UNROLL
      for (int step = 1; step < 4; step *= 2) {
        highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, step));
        if (plain) plain_highest = fmaxf(plain_highest, __shfl_xor_sync(~0u, plain_highest, step));
      }
      if (lane % 4 == 0) {
        maxima[group * 64 + thread_row<Shape>(i)] = highest;
        if (plain) maxima[(Shape::kColumnGroups + group) * 64 + thread_row<Shape>(i)] = plain_highest;
      }
    }
    if constexpr (kDefect != MmaDefect::kNoMaximumBarrier)
      __syncthreads();  // the maxima of all column groups

    QCF_UNROLL
    for (int i = 0; i < Shape::kThreadRows; ++i) {
      const int row = thread_row<Shape>(i);
      float highest = maxima[row], plain_highest = -1.0f;
      QCF_UNROLL
      for (int g = 1; g < Shape::kColumnGroups; ++g) highest = fmaxf(highest, maxima[g * 64 + row]);
      const float factor = rows.move(i, args.s * highest, tile == begin);
      if (group == 0 && lane % 4 == 0) rescale[row] = factor;
      if (plain) {
        QCF_UNROLL
        for (int g = 0; g < Shape::kColumnGroups; ++g) {
          plain_highest = fmaxf(plain_highest, maxima[(Shape::kColumnGroups + g) * 64 + row]);
        }
        rows.move_plain(i, args.s * plain_highest, tile == begin);
      }
      float tile_sum = 0.0f, plain_tile_sum = 0.0f;
      QCF_UNROLL
      for (int e = 0; e < 4; ++e) {
        float& value = c[i / 2 * 2 + e / 2][i % 2 * 2 + e % 2];
        value = rows.element(i, value, args.s, params, plain, tile_sum, plain_tile_sum) * operand_scale;
      }
      rows.sum[i].add(tile_sum);
      if (plain) rows.plain_sum[i].add(plain_tile_sum);
    }
    if (!args.vectors) continue;
    store_operand<Shape, T>(p_tile, c);
    if constexpr (kDefect != MmaDefect::kNoOperandBarrier)
      __syncthreads();  // P and the rescaling, for all warps
    QCF_UNROLL
    for (int m = 0; m < 4; ++m) {
      QCF_UNROLL
      for (int h = 0; h < 2; ++h) {
        const float factor = rescale[16 * m + 8 * h + lane / 4];
        if (factor == 1.0f) continue;
        QCF_UNROLL
        for (int n = 0; n < Shape::kSliceTiles; ++n) {
          o[m * Shape::kSliceTiles + n][2 * h] *= factor;
          o[m * Shape::kSliceTiles + n][2 * h + 1] *= factor;
        }
      }
    }
    accumulate<Shape, T>(p_tile, b_tile, o);
  }
  if (bad_class != 0x7FFFFFFF) record_error(args.errors, ErrorTensor::kW, bad_class);

  __syncthreads();  // the tiles are done with
  write_sums<Shape::kColumnGroups>(
      shared, rows, group, [](int i) { return thread_row<Shape>(i); }, [] { __syncthreads(); },
      static_cast<int>(threadIdx.x), first_row, args.x.rows, part, args.partials);
  if (!args.vectors) return;
  const float undo = 1.0f / operand_scale;  // a power of two
  const int warp = static_cast<int>(threadIdx.x) / 32;
  QCF_UNROLL
  for (int m = 0; m < 4; ++m) {
    QCF_UNROLL
    for (int h = 0; h < 2; ++h) {
      const std::int64_t row = first_row + 16 * m + 8 * h + lane / 4;
      if (row >= args.x.rows) continue;
      float* const out = args.partials.vectors + (part * args.x.rows + row) * args.x.d;
      QCF_UNROLL
      for (int n = 0; n < Shape::kSliceTiles; ++n) {
        const int column = warp * Shape::kSlice + 8 * n + lane % 4 * 2;
        if (column >= args.x.d) continue;
        const float* const value = o[m * Shape::kSliceTiles + n];
        *reinterpret_cast<float2*>(out + column) = make_float2(value[2 * h] * undo, value[2 * h + 1] * undo);
      }
    }
  }
}

}  // namespace qcface::kernels::cuda
