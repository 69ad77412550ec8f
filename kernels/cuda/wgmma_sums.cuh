// First pass of the wgmma plan: stationary unit rows of x, streaming unit class rows; mma_sums.cuh says what is summed.
#pragma once

#include "kernels/cuda/error_record.h"
#include "kernels/cuda/fused.h"
#include "kernels/cuda/fused_rules.cuh"
#include "kernels/cuda/wgmma_pass.cuh"

namespace qcface::kernels::cuda {

struct WgmmaSums {
  TensorMap x, w;  // boxes of 64 x 64
  std::int64_t n, k_loc;
  int d;
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

template <class Shape, class Negatives, class T, WgmmaDefect kDefect>
__device__ __forceinline__ void consume_sums(const WgmmaSums& args, unsigned char* shared,
                                             std::int64_t first_row, std::int64_t part, std::int64_t begin,
                                             std::int64_t end) {
  const WgmmaBarriers<Shape> barriers(shared);
  const int warpgroup = static_cast<int>(threadIdx.x) / 128 - 1;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  float* const all_maxima = reinterpret_cast<float*>(shared + Shape::kMaxima);

  NegativeParams params{0.0f, args.mv_a};
  if constexpr (Negatives::kUsesT) params.t = *args.t;
  const bool plain = Negatives::kHasHard && args.plain;
  float operand_scale = 1.0f;
  if constexpr (OperandRange<T>::kScaled) {
    operand_scale = power_of_two_below(kMostLazyExponential * slope_bound<Negatives>(params));
  }
  SumsRows<Negatives, T, 2> rows;
  QCF_UNROLL
  for (int h = 0; h < 2; ++h) {
    const std::int64_t row = first_row + wgmma_row(h);
    const bool valid = row < args.n;
    const std::int64_t at = valid ? row : 0;
    rows.load(h, valid, args.margin[at], args.target_c[at], args.label[at]);
  }
  float o[Shape::kHalf / 2] = {};
  float s[16] = {};
  int bad_class = 0x7FFFFFFF;
  const int columns = static_cast<int>(args.k_loc);
  const int copies = 2;  // of maxima and P

  mbarrier_wait(barriers.stationary, 0);
  RingPlace<Shape> place;
  int before = -1;  // place of the tile that O still reads
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const int copy = static_cast<int>((tile - begin) % copies);
    unsigned char* const b_tile = shared + Shape::kB + place.stage * Shape::kTileBytes;
    float* const maxima = all_maxima + copy * 4 * 64;  // [kind, warpgroup, 64]
    if constexpr (kDefect != WgmmaDefect::kNoArrival)
      mbarrier_wait(&barriers.full[place.stage], place.parity);
    start_scores<Shape, T>(shared + Shape::kA, b_tile, warpgroup, s);
    wgmma_wait<kDefect == WgmmaDefect::kShortWait ? 1 : 0>();  // S, and O of the tile before
    wgmma_hold(s);
    wgmma_hold(o);
    if (before >= 0 && kDefect != WgmmaDefect::kEarlyRelease) release(barriers, before);

    // Highest logit of every row in this half of the tile: four lanes.
    const int column0 = static_cast<int>(tile * Shape::kStream);
    QCF_UNROLL
    for (int h = 0; h < 2; ++h) {
      float highest = -1.0f, plain_highest = -1.0f;  // no logit is below -s; the label must not set a shift
      QCF_UNROLL
      for (int e = 0; e < 8; ++e) {
        const int i = e / 2 * 4 + 2 * h + e % 2;
        const int j = column0 + wgmma_column(warpgroup, i);
        if (j < columns && !(s[i] == s[i])) bad_class = min(bad_class, j);
        s[i] = rows.cosine(h, s[i], j, columns);
        highest = fmaxf(highest, Negatives::negative(params, s[i], rows.margin[h]).logit);
        plain_highest = fmaxf(plain_highest, s[i]);
      }
      QCF_UNROLL
      for (int step = 1; step < 4; step *= 2) {
        highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, step));
        if (plain) plain_highest = fmaxf(plain_highest, __shfl_xor_sync(~0u, plain_highest, step));
      }
      if (lane % 4 == 0) {
        maxima[warpgroup * 64 + wgmma_row(h)] = highest;
        if (plain) maxima[(2 + warpgroup) * 64 + wgmma_row(h)] = plain_highest;
      }
    }
    // Both halves' maxima. The next but one tile writes this copy again, after the barrier of the next.
    if constexpr (kDefect != WgmmaDefect::kNoMaximumBarrier)
      named_barrier_sync(kMaximumBarrier, Shape::kConsumers);

    QCF_UNROLL
    for (int h = 0; h < 2; ++h) {
      const int row = wgmma_row(h);
      const float factor = rows.move(h, args.s * fmaxf(maxima[row], maxima[64 + row]), tile == begin);
      if (plain) rows.move_plain(h, args.s * fmaxf(maxima[128 + row], maxima[192 + row]), tile == begin);
      if (factor != 1.0f) {
        QCF_UNROLL
        for (int n = 0; n < Shape::kHalf / 8; ++n) {
          o[4 * n + 2 * h] *= factor;
          o[4 * n + 2 * h + 1] *= factor;
        }
      }
      float tile_sum = 0.0f, plain_tile_sum = 0.0f;
      QCF_UNROLL
      for (int e = 0; e < 8; ++e) {
        const int i = e / 2 * 4 + 2 * h + e % 2;
        s[i] = rows.element(h, s[i], args.s, params, plain, tile_sum, plain_tile_sum) * operand_scale;
      }
      rows.sum[h].add(tile_sum);
      if (plain) rows.plain_sum[h].add(plain_tile_sum);
    }
    before = place.stage;
    if (args.vectors) {
      unsigned char* const p_tile = shared + Shape::kP + copy * Shape::kBlockBytes;
      store_wgmma_operand<T>(p_tile, warpgroup, s);
      if constexpr (kDefect != WgmmaDefect::kNoOperandBarrier)
        named_barrier_sync(kOperandBarrier, Shape::kConsumers);
      start_accumulate<Shape, T>(p_tile, b_tile, warpgroup, o);
      if constexpr (kDefect == WgmmaDefect::kEarlyRelease) release(barriers, before);
    }
    place.advance();
  }
  wgmma_wait<0>();
  wgmma_hold(o);
  if (bad_class != 0x7FFFFFFF) record_error(args.errors, ErrorTensor::kW, bad_class);

  const auto sync = [] { named_barrier_sync(kEndBarrier, Shape::kConsumers); };
  sync();  // P is done with
  write_sums<2>(
      shared + Shape::kP, rows, warpgroup, [](int h) { return wgmma_row(h); }, sync,
      static_cast<int>(threadIdx.x) - 128, first_row, args.n, part, args.partials);
  if (!args.vectors) return;
  const float undo = 1.0f / operand_scale;  // a power of two
  QCF_UNROLL
  for (int h = 0; h < 2; ++h) {
    const std::int64_t row = first_row + wgmma_row(h);
    if (row >= args.n) continue;
    float* const out = args.partials.vectors + (part * args.n + row) * args.d;
    QCF_UNROLL
    for (int n = 0; n < Shape::kHalf / 8; ++n) {
      const int column = warpgroup * Shape::kHalf + 8 * n + lane % 4 * 2;
      if (column >= args.d) continue;
      *reinterpret_cast<float2*>(out + column) =
          make_float2(o[4 * n + 2 * h] * undo, o[4 * n + 2 * h + 1] * undo);
    }
  }
}

template <class Shape, class Negatives, class T, WgmmaDefect kDefect>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    wgmma_sums_kernel(const __grid_constant__ WgmmaSums args) {
  QCF_DYNAMIC_SHARED(shared);
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * Shape::kRows;
  const std::int64_t part = blockIdx.y;
  const std::int64_t tiles = (args.k_loc + Shape::kStream - 1) / Shape::kStream;
  const std::int64_t begin = part * tiles / args.parts;
  const std::int64_t end = (part + 1) * tiles / args.parts;
  if (threadIdx.x == 0) {
    tma_prefetch_descriptor(&args.x);
    tma_prefetch_descriptor(&args.w);
  }
  WgmmaBarriers<Shape>(shared).init();
  if (threadIdx.x < 128) {
    warpgroup_registers_decrease<24>();
    if (threadIdx.x == 0) produce<Shape>(shared, &args.x, first_row, &args.w, begin, end);
  } else {
    warpgroup_registers_increase<240>();
    consume_sums<Shape, Negatives, T, kDefect>(args, shared, first_row, part, begin, end);
  }
}

/// Launches the kernel and combines the parts.
template <class Shape, class Negatives, class T, WgmmaDefect kDefect>
cudaError_t run_wgmma_sums(const FusedSums& call, cudaStream_t stream) {
  const auto d = static_cast<std::uint64_t>(call.shape.d);
  WgmmaSums args{};
  if (!make_tensor_map_2d(&args.x, static_cast<const T*>(call.unit_x), d,
                          static_cast<std::uint64_t>(call.shape.n), 2 * d, 64, 64) ||
      !make_tensor_map_2d(&args.w, static_cast<const T*>(call.unit_w), d,
                          static_cast<std::uint64_t>(call.shape.k_loc), 2 * d, 64, 64)) {
    return cudaErrorInvalidValue;
  }
  args.n = call.shape.n;
  args.k_loc = call.shape.k_loc;
  args.d = static_cast<int>(d);
  args.s = call.s;
  args.mv_a = call.mv_a;
  args.t = call.t;
  args.margin = call.margin;
  args.target_c = call.target_c;
  args.label = call.label;
  args.plain = call.plain;
  args.vectors = call.vectors;
  args.parts = call.parts;
  args.partials = call.partials;
  args.errors = call.errors;
  const dim3 grid(static_cast<unsigned>((call.shape.n + Shape::kRows - 1) / Shape::kRows),
                  static_cast<unsigned>(call.parts));
  const cudaError_t error = launch(wgmma_sums_kernel<Shape, Negatives, T, kDefect>, grid, Shape::kThreads,
                                   Shape::kBytes, stream, args);
  return error != cudaSuccess ? error : fused_combine(call, stream);
}

}  // namespace qcface::kernels::cuda
