// One warp finishes one class row. H arrives in shared or global memory, fp32; everything else is read and written here.
// Bytes a class row: reads w (4 D), writes dw (4 D; accumulating also reads it); with SGD reads velocity and writes w and
// velocity (12 D) and refreshes unit_w (2 D or 4 D). The row of w is read up to three times, from L1 after the first.
// |w_j| and H_j . w_j are summed with their rounding errors (compensated.cuh): both are differences in waiting when H is
// nearly parallel to w. Rows whose squares leave the range of fp32 are summed again in double.
#pragma once

#include "kernels/cuda/class_update.h"
#include "kernels/device/compensated.cuh"
#include "kernels/device/device.cuh"
#include "kernels/device/instructions/bulk_prefetch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/types.cuh"
#include "kernels/device/update.h"
#include "kernels/heads/row.h"

namespace qcface::kernels::cuda {

namespace rows {

using namespace ::qcface::cuda;

/// Whether w, velocity, dw and unit_w must stay as they are: an error was recorded by an earlier launch, or the optimiser's
/// step is to be skipped.
__device__ __forceinline__ bool blocked(const ClassUpdate& u) {
  return u.errors->key != kNoError || (u.skip != nullptr && *u.skip != 0);
}

/// First place in labels [n] whose class is at least `klass`: a 32-way search, two or three reads deep.
__device__ __forceinline__ std::int64_t first_label(const SortedLabel* labels, std::int64_t n,
                                                    std::int64_t klass, int lane) {
  std::int64_t low = 0, high = n;
  while (high - low > 32) {
    const std::int64_t step = (high - low + 31) / 32;
    const std::int64_t at = low + lane * step;
    const int less = __popc(__ballot_sync(~0u, at < high && labels[at].klass < klass));
    if (less == 0) return low;
    high = min(high, low + less * step);
    low += (less - 1) * step + 1;
  }
  const std::int64_t at = low + lane;
  return low + __popc(__ballot_sync(~0u, at < high && labels[at].klass < klass));
}

template <int kWide>
__device__ __forceinline__ Vector<float, 4 * kWide> load_wide(const float* p) {
  return load<float, 4 * kWide>(p);
}

template <int kWide, class T>
__device__ __forceinline__ void write_unit(const float* row, std::int64_t d, const UnitScale& scale, T* out,
                                           int lane) {
  for (std::int64_t k = lane * kWide; k < d; k += 32 * kWide) {
    const auto w = load_wide<kWide>(row + k);
    Vector<T, kWide* static_cast<int>(sizeof(T))> unit;
    QCF_UNROLL
    for (int e = 0; e < kWide; ++e) unit.set(e, scale(w[e]));
    store(out + k, unit);
  }
}

template <int kWide>
__device__ __forceinline__ void update(const ClassUpdate& u, std::int64_t klass, const float* h) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t out_at = klass * u.d;  // of dw
  const std::int64_t at = u.sampled != nullptr ? u.sampled[klass] * u.d : out_at;
  const float* const w_row = u.w + at;
  ProductSum squares, products;
  for (std::int64_t k = lane * kWide; k < u.d; k += 32 * kWide) {
    const auto w = load_wide<kWide>(w_row + k);
    Vector<float, 4 * kWide> hv{};
    if (h != nullptr) hv = load_wide<kWide>(h + k);
    QCF_UNROLL
    for (int e = 0; e < kWide; ++e) {
      squares.add(w[e], w[e]);
      products.add(w[e], hv[e]);
    }
  }
  double square = warp_sum(squares.value());
  double along = warp_sum(products.value());
  if (!ProductSum::in_range(square) || !(fabs(along) <= ProductSum::kMost)) {
    square = warp_sum(wide_product<kWide>(w_row, w_row, u.d));
    along = h != nullptr ? warp_sum(wide_product<kWide>(w_row, h, u.d)) : 0.0;
  }
  const double norm = sqrt(square);
  const bool live = norm >= kLengthFloor;  // a dead row gets no gradient
  const double inv = live ? 1.0 / norm : 0.0;
  const float inv_f = static_cast<float>(inv);
  const float pull = static_cast<float>(along * inv * inv * inv);
  const std::int64_t first = live ? first_label(u.labels, u.n, klass, lane) : u.n;
  const UpdateRule rule{u.new_w != nullptr ? *u.lr : 0.0f, u.momentum, u.weight_decay};
  ProductSum new_squares;
  for (std::int64_t k = lane * kWide; k < u.d; k += 32 * kWide) {
    auto w = load_wide<kWide>(w_row + k);
    Vector<float, 4 * kWide> gradient{};
    if (h != nullptr) gradient = load_wide<kWide>(h + k);
    QCF_UNROLL
    for (int e = 0; e < kWide; ++e) gradient[e] = gradient[e] * inv_f - pull * w[e];
    // g_iy (xh_i - c wh_y) / |w_y|
    for (std::int64_t l = first; l < u.n && u.labels[l].klass == klass; ++l) {
      const std::int64_t i = u.labels[l].row;
      const double g = label_gradient(u.scale, u.one_minus_q[i], u.slope[i], inv);
      const double inv_x = inverse_length(u.z[i]), c = u.target_c[i] * inv;
      const auto x = load_wide<kWide>(u.x + i * u.d + k);
      QCF_UNROLL
      for (int e = 0; e < kWide; ++e) {
        const double part = across(static_cast<double>(x[e]) * inv_x, c, static_cast<double>(w[e]));
        gradient[e] = static_cast<float>(static_cast<double>(gradient[e]) + g * part);
      }
    }
    if (u.dw != nullptr) {
      auto out = gradient;
      if (u.accumulate) {
        const auto before = load_wide<kWide>(u.dw + out_at + k);
        QCF_UNROLL
        for (int e = 0; e < kWide; ++e) out[e] += before[e];
      }
      store(u.dw + out_at + k, out);
    }
    if (u.new_w != nullptr) {
      auto slot = load_wide<kWide>(u.slot + at + k);
      QCF_UNROLL
      for (int e = 0; e < kWide; ++e) {
        rule.apply(gradient[e], w[e], slot[e]);
        new_squares.add(w[e], w[e]);
      }
      store(u.slot + at + k, slot);
      store(u.new_w + at + k, w);
    }
  }
  if (u.new_w == nullptr || u.unit_w == nullptr) return;
  // Each lane reads back what it wrote itself.
  const float* const row = u.new_w + at;
  double new_square = warp_sum(new_squares.value());
  const bool wide = !ProductSum::in_range(new_square);
  if (wide) new_square = warp_sum(wide_product<kWide>(row, row, u.d));
  const UnitScale scale(inverse_length(sqrt(new_square)), wide);
  if (u.type == QCF_TYPE_F32) {
    write_unit<kWide>(row, u.d, scale, static_cast<float*>(u.unit_w) + at, lane);
  } else if (u.type == QCF_TYPE_BF16) {
    write_unit<kWide>(row, u.d, scale, static_cast<__nv_bfloat16*>(u.unit_w) + at, lane);
  } else {
    write_unit<kWide>(row, u.d, scale, static_cast<__half*>(u.unit_w) + at, lane);
  }
}

}  // namespace rows

/// Called by every thread before anything else of the second pass; true = return at once.
__device__ __forceinline__ bool class_update_blocked(const ClassUpdate& u) { return rows::blocked(u); }

/// Called by whole warps: finishes class row `klass`. h [D] = H_j in shared or global memory; NULL = 0.
__device__ __forceinline__ void update_class_row(const ClassUpdate& u, std::int64_t klass, const float* h) {
  if (u.vectorised && reinterpret_cast<std::uintptr_t>(h) % 16 == 0) {
    rows::update<4>(u, klass, h);
  } else {
    rows::update<1>(u, klass, h);
  }
}

/// Asks for what update_class_row will read of rows first .. first + count - 1 to be brought into L2: w and velocity, 8 D
/// bytes a row. By one whole warp, of a kernel for sm_90.
__device__ __forceinline__ void prefetch_class_rows(const ClassUpdate& u, std::int64_t first,
                                                    std::int64_t count) {
  if (!u.vectorised || u.sampled != nullptr) return;  // stretches are aligned and whole rows
  // 32-bit sizes: the warpgroup that this warp belongs to has given its registers away.
  constexpr unsigned kPiece = 4096;
  const unsigned bytes = 4 * static_cast<unsigned>(u.d) * static_cast<unsigned>(count);
  const std::int64_t row = first * u.d;
  for (unsigned at = kPiece * (threadIdx.x % 32); at < bytes; at += 32 * kPiece) {
    const unsigned piece = min(kPiece, bytes - at);
    ::qcface::cuda::bulk_prefetch_l2(reinterpret_cast<const char*>(u.w + row) + at, piece);
    if (u.slot != nullptr)
      ::qcface::cuda::bulk_prefetch_l2(reinterpret_cast<const char*>(u.slot + row) + at, piece);
  }
}

}  // namespace qcface::kernels::cuda
