// Second pass of the mma plan: stationary unit class rows, streaming unit rows of x. S = cosines, P = g_ij, O = H_j =
// sum_i g_ij xh_i, finished by the shared class update, so that neither g nor (with the fused optimiser) dw ever lands.
#pragma once

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/fused.h"
#include "kernels/cuda/fused_rules.cuh"
#include "kernels/cuda/mma_pass.cuh"

namespace qcface::kernels::cuda {

/// Update is what becomes of H, a type with two device functions: blocked() (the same for all threads: leave everything
/// as it is) and row(j, h), called by a whole warp with H_j in shared memory.
template <class T, class Update>
struct MmaWeights {
  OperandRows<T> w, x;
  float s, mv_a;
  float factor_bound;  // s / B
  const float* t;
  const FusedRow* rows;  // [N]
  Update update;
};

/// Starts the copy of the row values that belong to a streaming tile; rows past the end get factor 0.
template <class Shape>
__device__ __forceinline__ void copy_stream_rows(unsigned char* shared, int buffer, const FusedRow* rows,
                                                 std::int64_t first, std::int64_t n) {
  const int at = static_cast<int>(threadIdx.x);
  if (at >= Shape::kStream) return;
  const bool valid = first + at < n;
  cp_async_16(shared + Shape::kStreamRows + (buffer * Shape::kStream + at) * 16,
              rows + (valid ? first + at : 0), valid);
}

template <class Shape, class Negatives, class T, class Update, MmaDefect kDefect>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    mma_weights_kernel(const __grid_constant__ MmaWeights<T, Update> args) {
  if (args.update.blocked()) return;
  QCF_DYNAMIC_SHARED(shared);
  unsigned char* const a_tile = shared + Shape::kA;
  unsigned char* const p_tile = shared + Shape::kP;
  const FusedRow* const stream_rows = reinterpret_cast<const FusedRow*>(shared + Shape::kStreamRows);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const std::int64_t first_class = static_cast<std::int64_t>(blockIdx.x) * Shape::kRows;
  const std::int64_t tiles = (args.x.rows + Shape::kStream - 1) / Shape::kStream;

  NegativeParams params{0.0f, args.mv_a};
  if constexpr (Negatives::kUsesT) params.t = *args.t;
  float operand_scale = 1.0f;
  if constexpr (OperandRange<T>::kScaled) {
    operand_scale = power_of_two_below(args.factor_bound * slope_bound<Negatives>(params));
  }
  float o[4 * Shape::kSliceTiles][4] = {};
  if (tiles > 0) {
    copy_rows<Shape, Shape::kRows>(a_tile, args.w, first_class);
    copy_rows<Shape, Shape::kStream>(shared + Shape::kB, args.x, 0);
    copy_stream_rows<Shape>(shared, 0, args.rows, 0, args.x.rows);
    cp_async_commit();
  }
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const int buffer = static_cast<int>(tile & 1);
    unsigned char* const b_tile = shared + Shape::kB + buffer * Shape::kTileBytes;
    cp_async_wait<kDefect == MmaDefect::kShortWait ? 1 : 0>();
    // The tile is there for all threads, and all have done with the other buffer and P.
    if constexpr (kDefect != MmaDefect::kNoArrivalBarrier) __syncthreads();
    if (tile + 1 < tiles) {
      copy_rows<Shape, Shape::kStream>(shared + Shape::kB + (buffer ^ 1) * Shape::kTileBytes, args.x,
                                       (tile + 1) * Shape::kStream);
      copy_stream_rows<Shape>(shared, buffer ^ 1, args.rows, (tile + 1) * Shape::kStream, args.x.rows);
      cp_async_commit();
    }
    float c[Shape::kRowTiles * 2][4];
    scores<Shape, T>(a_tile, b_tile, c);
    QCF_UNROLL
    for (int e = 0; e < 4; ++e) {
      const FusedRow row = stream_rows[buffer * Shape::kStream + thread_column<Shape>(e / 2, e)];
      QCF_UNROLL
      for (int i = 0; i < Shape::kThreadRows; ++i) {
        float& value = c[i / 2 * 2 + e / 2][i % 2 * 2 + e % 2];
        const std::int64_t klass = first_class + thread_row<Shape>(i);
        const float g = gradient_factor<Negatives>(params, value, args.s, row.margin, row.shift,
                                                   row.factor * operand_scale);
        value = klass == row.label ? 0.0f : g;
      }
    }
    store_operand<Shape, T>(p_tile, c);
    if constexpr (kDefect != MmaDefect::kNoOperandBarrier) __syncthreads();  // P, for all warps
    accumulate<Shape, T>(p_tile, b_tile, o);
  }

  // H as rows, so that a warp can finish a class.
  __syncthreads();  // the tiles are done with
  float* const staged = reinterpret_cast<float*>(shared);
  const float undo = 1.0f / operand_scale;  // a power of two
  QCF_UNROLL
  for (int m = 0; m < 4; ++m) {
    QCF_UNROLL
    for (int h = 0; h < 2; ++h) {
      float* const out =
          staged + (16 * m + 8 * h + lane / 4) * Shape::kStagedStride + warp * Shape::kSlice + lane % 4 * 2;
      QCF_UNROLL
      for (int n = 0; n < Shape::kSliceTiles; ++n) {
        const float* const value = o[m * Shape::kSliceTiles + n];
        *reinterpret_cast<float2*>(out + 8 * n) = make_float2(value[2 * h] * undo, value[2 * h + 1] * undo);
      }
    }
  }
  __syncthreads();
  for (int row = warp; row < Shape::kRows && first_class + row < args.w.rows; row += Shape::kWarps) {
    args.update.row(first_class + row, staged + row * Shape::kStagedStride);
  }
}

/// Launches the kernel for call's head, type and width.
template <class Update>
cudaError_t run_mma_weights(const FusedWeights& call, const Update& update, cudaStream_t stream) {
  const auto run = [&]<class Shape, class Negatives, class T>() -> cudaError_t {
    const int d = static_cast<int>(call.shape.d);
    const MmaWeights<T, Update> args{{static_cast<const T*>(call.unit_w), call.shape.k_loc, d},
                                     {static_cast<const T*>(call.unit_x), call.shape.n, d},
                                     call.s,
                                     call.mv_a,
                                     static_cast<float>(static_cast<double>(call.s) / call.batch),
                                     call.t,
                                     call.rows,
                                     update};
    const auto grid = static_cast<unsigned>((call.shape.k_loc + Shape::kRows - 1) / Shape::kRows);
    return launch(mma_weights_kernel<Shape, Negatives, T, Update, MmaDefect::kNone>, grid, Shape::kThreads,
                  Shape::kBytes, stream, args);
  };
  const cudaError_t error = fused_rows(call, stream);
  if (error != cudaSuccess) return error;
  return dispatch_negatives_type(call.kind, call.shape.type, [&]<class Negatives, class T>() -> cudaError_t {
    if (call.shape.d <= 128) return run.template operator()<MmaShape<128>, Negatives, T>();
    if (call.shape.d <= 256) return run.template operator()<MmaShape<256>, Negatives, T>();
    return run.template operator()<MmaShape<512>, Negatives, T>();
  });
}

}  // namespace qcface::kernels::cuda
