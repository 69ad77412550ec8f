// Second pass of the wgmma plan: stationary unit class rows, streaming unit rows of x; mma_weights.cuh says what is made.
//
// A warp of the producer's warpgroup that has nothing else to do asks for the block's rows of w and velocity while the
// tensor cores work. The count behind it, H100, N = D = 512: 132 blocks of 64 rows read 34.6 MB for their updates, 11.5 us at
// 3.0 TB/s, and 8 tiles take 17 us or more; without the request the update begins with empty hands and takes 12 to 26 us
// with the tensor cores idle. It waits for the block's own unit rows first, so that those are not queued behind it.
#pragma once

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/fused.h"
#include "kernels/cuda/fused_rules.cuh"
#include "kernels/cuda/wgmma_pass.cuh"

namespace qcface::kernels::cuda {

/// Update as in mma_weights.cuh, with a third function: prefetch(first, count), called by one whole warp, asks for what row()
/// will read of these rows.
template <class Update>
struct WgmmaWeights {
  TensorMap w, x;  // boxes of 64 x 64
  std::int64_t n, k_loc;
  float s, mv_a;
  float factor_bound;  // s / B
  const float* t;
  const FusedRow* rows;  // [N]
  Update update;
};

template <class Shape, class Negatives, class T, class Update, WgmmaDefect kDefect>
__device__ __forceinline__ void consume_weights(const WgmmaWeights<Update>& args, unsigned char* shared,
                                                std::int64_t first_class, std::int64_t tiles) {
  const WgmmaBarriers<Shape> barriers(shared);
  const int warpgroup = static_cast<int>(threadIdx.x) / 128 - 1;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  NegativeParams params{0.0f, args.mv_a};
  if constexpr (Negatives::kUsesT) params.t = *args.t;
  float operand_scale = 1.0f;
  if constexpr (OperandRange<T>::kScaled) {
    operand_scale = power_of_two_below(args.factor_bound * slope_bound<Negatives>(params));
  }
  const std::int64_t klass[2] = {first_class + wgmma_row(0), first_class + wgmma_row(1)};
  float o[Shape::kHalf / 2] = {};
  float s[16] = {};

  if (tiles > 0) mbarrier_wait(barriers.stationary, 0);
  RingPlace<Shape> place;
  int before = -1;  // place of the tile that O still reads
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    unsigned char* const b_tile = shared + Shape::kB + place.stage * Shape::kTileBytes;
    if constexpr (kDefect != WgmmaDefect::kNoArrival)
      mbarrier_wait(&barriers.full[place.stage], place.parity);
    start_scores<Shape, T>(shared + Shape::kA, b_tile, warpgroup, s);
    FusedRow rows[8];  // of this thread's columns; they come while S is made
    QCF_UNROLL
    for (int e = 0; e < 8; ++e) {
      const std::int64_t at = tile * Shape::kStream + wgmma_column(warpgroup, e / 2 * 4 + e % 2);
      rows[e] = args.rows[at < args.n ? at : args.n - 1];
      if (at >= args.n) rows[e].factor = 0.0f;
    }
    wgmma_wait<kDefect == WgmmaDefect::kShortWait ? 1 : 0>();  // S, and O of the tile before
    wgmma_hold(s);
    wgmma_hold(o);
    if (before >= 0 && kDefect != WgmmaDefect::kEarlyRelease) release(barriers, before);
    QCF_UNROLL
    for (int e = 0; e < 8; ++e) {
      QCF_UNROLL
      for (int h = 0; h < 2; ++h) {
        const int i = e / 2 * 4 + 2 * h + e % 2;
        const float g = gradient_factor<Negatives>(params, s[i], args.s, rows[e].margin, rows[e].shift,
                                                   rows[e].factor * operand_scale);
        s[i] = klass[h] == rows[e].label ? 0.0f : g;
      }
    }
    unsigned char* const p_tile = shared + Shape::kP + tile % 2 * Shape::kBlockBytes;
    store_wgmma_operand<T>(p_tile, warpgroup, s);
    if constexpr (kDefect != WgmmaDefect::kNoOperandBarrier)
      named_barrier_sync(kOperandBarrier, Shape::kConsumers);
    start_accumulate<Shape, T>(p_tile, b_tile, warpgroup, o);
    before = place.stage;
    if constexpr (kDefect == WgmmaDefect::kEarlyRelease) release(barriers, before);
    place.advance();
  }
  wgmma_wait<0>();
  wgmma_hold(o);

  // H as rows, so that a warp can finish a class.
  named_barrier_sync(kEndBarrier, Shape::kConsumers);  // the tiles are done with
  float* const staged = reinterpret_cast<float*>(shared);
  const float undo = 1.0f / operand_scale;  // a power of two
  QCF_UNROLL
  for (int h = 0; h < 2; ++h) {
    float* const out = staged + wgmma_row(h) * Shape::kStagedStride + warpgroup * Shape::kHalf + lane % 4 * 2;
    QCF_UNROLL
    for (int n = 0; n < Shape::kHalf / 8; ++n) {
      *reinterpret_cast<float2*>(out + 8 * n) =
          make_float2(o[4 * n + 2 * h] * undo, o[4 * n + 2 * h + 1] * undo);
    }
  }
  named_barrier_sync(kEndBarrier, Shape::kConsumers);
  const int warp = static_cast<int>(threadIdx.x) / 32 - 4;
  for (int row = warp; row < Shape::kRows && first_class + row < args.k_loc; row += Shape::kConsumers / 32) {
    args.update.row(first_class + row, staged + row * Shape::kStagedStride);
  }
}

template <class Shape, class Negatives, class T, class Update, WgmmaDefect kDefect>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    wgmma_weights_kernel(const __grid_constant__ WgmmaWeights<Update> args) {
  if (args.update.blocked()) return;
  QCF_DYNAMIC_SHARED(shared);
  const std::int64_t first_class = static_cast<std::int64_t>(blockIdx.x) * Shape::kRows;
  const std::int64_t tiles = (args.n + Shape::kStream - 1) / Shape::kStream;
  if (threadIdx.x == 0) {
    tma_prefetch_descriptor(&args.w);
    tma_prefetch_descriptor(&args.x);
  }
  WgmmaBarriers<Shape>(shared).init();
  if (threadIdx.x < 128) {
    warpgroup_registers_decrease<24>();
    if (threadIdx.x == 0 && tiles > 0) produce<Shape>(shared, &args.w, first_class, &args.x, 0, tiles);
    if (threadIdx.x / 32 == 1) {
      if (tiles > 0) mbarrier_wait(WgmmaBarriers<Shape>(shared).stationary, 0);
      const std::int64_t rest = args.k_loc - first_class;
      args.update.prefetch(first_class, rest < Shape::kRows ? rest : Shape::kRows);
    }
  } else {
    warpgroup_registers_increase<240>();
    consume_weights<Shape, Negatives, T, Update, kDefect>(args, shared, first_class, tiles);
  }
}

template <class Shape, class Negatives, class T, WgmmaDefect kDefect, class Update>
cudaError_t launch_wgmma_weights(const FusedWeights& call, const Update& update, cudaStream_t stream) {
  const auto d = static_cast<std::uint64_t>(call.shape.d);
  WgmmaWeights<Update> args{};
  // Without rows nothing is copied, but a map needs some address.
  const void* const x = call.shape.n > 0 ? call.unit_x : call.unit_w;
  const auto rows = static_cast<std::uint64_t>(call.shape.n > 0 ? call.shape.n : 1);
  if (!make_tensor_map_2d(&args.w, static_cast<const T*>(call.unit_w), d,
                          static_cast<std::uint64_t>(call.shape.k_loc), 2 * d, 64, 64) ||
      !make_tensor_map_2d(&args.x, static_cast<const T*>(x), d, rows, 2 * d, 64, 64)) {
    return cudaErrorInvalidValue;
  }
  args.n = call.shape.n;
  args.k_loc = call.shape.k_loc;
  args.s = call.s;
  args.mv_a = call.mv_a;
  args.factor_bound = static_cast<float>(static_cast<double>(call.s) / call.batch);
  args.t = call.t;
  args.rows = call.rows;
  args.update = update;
  const cudaError_t error = fused_rows(call, stream);
  if (error != cudaSuccess) return error;
  const auto grid = static_cast<unsigned>((call.shape.k_loc + Shape::kRows - 1) / Shape::kRows);
  return launch(wgmma_weights_kernel<Shape, Negatives, T, Update, kDefect>, grid, Shape::kThreads,
                Shape::kBytes, stream, args);
}

/// Launches the kernel for call's head, type and width.
template <class Update>
cudaError_t run_wgmma_weights(const FusedWeights& call, const Update& update, cudaStream_t stream) {
  return dispatch_negatives_type(call.kind, call.shape.type, [&]<class Negatives, class T>() -> cudaError_t {
    constexpr auto kNone = WgmmaDefect::kNone;
    if (call.shape.d <= 128)
      return launch_wgmma_weights<WgmmaShape<128>, Negatives, T, kNone>(call, update, stream);
    if (call.shape.d <= 256)
      return launch_wgmma_weights<WgmmaShape<256>, Negatives, T, kNone>(call, update, stream);
    return launch_wgmma_weights<WgmmaShape<512>, Negatives, T, kNone>(call, update, stream);
  });
}

}  // namespace qcface::kernels::cuda
