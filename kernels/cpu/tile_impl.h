// Body of one instruction set's TileOps. A source file sets QCF_VECTOR_FLOATS, QCF_PANEL_VECTORS and QCF_BLOCK_ROWS,
// includes this and is compiled with that set's flags. Everything has internal linkage and nothing from the standard
// library is instantiated here: the linker must never pick this file's copy of a shared function for other files.
#pragma once

#include <cstdint>

#include "kernels/cpu/exp.h"
#include "kernels/cpu/tile.h"
#include "kernels/cpu/tile_gemm.h"
#include "kernels/cpu/vector.h"
#include "kernels/heads/floor.h"

namespace qcface::kernels {
namespace {

constexpr float kNormFloor = static_cast<float>(kLengthFloor);
constexpr float kLargest = 3.402823466e+38f;

/// |w|, with the squares summed in fp32 in separate lanes. Returns false for NaN or infinity.
bool row_norm(const float* w, std::int64_t d, float* norm) {
  constexpr int kWidth = 4 * kLanes;
  float lanes[kWidth] = {};
  std::int64_t k = 0;
  Vec s0 = splat(0.0f), s1 = s0, s2 = s0, s3 = s0;
  for (; k + kWidth <= d; k += kWidth) {
    const Vec a = load(w + k), b = load(w + k + kLanes), c = load(w + k + 2 * kLanes),
              e = load(w + k + 3 * kLanes);
    s0 += a * a;
    s1 += b * b;
    s2 += c * c;
    s3 += e * e;
  }
  store(lanes, s0);
  store(lanes + kLanes, s1);
  store(lanes + 2 * kLanes, s2);
  store(lanes + 3 * kLanes, s3);
  double sum = 0;
  for (int i = 0; i < kWidth; ++i) sum += static_cast<double>(lanes[i]);
  for (; k < d; ++k) sum += static_cast<double>(w[k]) * static_cast<double>(w[k]);
  if (!(sum <= static_cast<double>(kLargest))) {  // NaN, infinity or only a square that overflowed
    sum = 0;
    for (k = 0; k < d; ++k) {
      if (!(w[k] >= -kLargest && w[k] <= kLargest)) return false;
      sum += static_cast<double>(w[k]) * static_cast<double>(w[k]);
    }
  }
  *norm = static_cast<float>(__builtin_sqrt(sum));
  return true;
}

int tile_load(const ClassTile& t, std::int64_t d_pad, float* packed, float* inv_norm, float* grad_scale) {
  for (int j = 0; j < t.classes; ++j) {
    const float* w = t.w + j * t.d;
    float norm = 0;
    if (!row_norm(w, t.d, &norm)) return j;
    const bool dead = norm < kNormFloor;
    inv_norm[j] = 1.0f / (dead ? kNormFloor : norm);
    grad_scale[j] = dead ? 0.0f : inv_norm[j];
    if (packed == nullptr) continue;
    for (std::int64_t d0 = 0; d0 < d_pad; d0 += kPanel) {
      float* out = packed + d0 * kTileClasses + j * kPanel;
      if (d0 + kPanel <= t.d) {
        QCF_UNROLL for (int v = 0; v < kVectors; ++v) store(out + v * kLanes, load(w + d0 + v * kLanes));
      } else {
        for (int k = 0; k < kPanel; ++k) out[k] = d0 + k < t.d ? w[d0 + k] : 0.0f;
      }
    }
  }
  return -1;
}

/// Moves a running shift up to `highest` where that is needed, and says by what sums made so far must be multiplied.
void move_shift(std::int64_t n, bool first, const float* highest, float* shift, float* rescale) {
  for (std::int64_t i = 0; i < n; ++i) {
    const bool move = first || highest[i] > shift[i] + kLazyShift;
    rescale[i] = move && !first ? fast_exp(shift[i] - highest[i]) : 1.0f;
    shift[i] = move ? highest[i] : shift[i];
  }
}

template <class Negatives, bool kPlain>
void exponentials(const ExpTile& t) {
  const std::int64_t n = t.n_pad;
  const NegativeParams params = t.negative;
  const float s = t.s;
  const float* const __restrict margin = t.margin;
  const float* const __restrict target_c = t.target_c;
  float* const __restrict highest = t.scratch;
  float* const __restrict plain_highest = t.scratch + n;
  // No logit is below -s; an excluded label must not set a shift.
  for (std::int64_t i = 0; i < n; ++i) highest[i] = plain_highest[i] = -1.0f;
  for (int j = 0; j < t.classes; ++j) {
    const float* const __restrict c = t.c + j * n;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      const float logit = Negatives::negative(params, c[i], margin[i]).logit;
      highest[i] = logit > highest[i] ? logit : highest[i];
      if constexpr (kPlain) plain_highest[i] = c[i] > plain_highest[i] ? c[i] : plain_highest[i];
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    highest[i] *= s;
    plain_highest[i] *= s;
    t.sum[i] = t.plain_sum[i] = 0.0f;
  }
  move_shift(n, t.first, highest, t.shift, t.rescale);
  if constexpr (kPlain) move_shift(n, t.first, plain_highest, t.plain_shift, t.plain_rescale);
  const float* const __restrict shift = t.shift;
  const float* const __restrict plain_shift = t.plain_shift;
  float* const __restrict sum = t.sum;
  float* const __restrict plain_sum = t.plain_sum;
  std::int32_t* const __restrict higher = t.higher;
  std::int32_t* const __restrict hard = t.hard;
  for (int j = 0; j < t.classes; ++j) {
    float* const __restrict c = t.c + j * n;
    const float inv_norm = t.inv_norm[j];
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
      const float cosine = c[i];
      const Negative negative = Negatives::negative(params, cosine, margin[i]);
      const float e = fast_exp(s * negative.logit - shift[i]);
      sum[i] += e;
      higher[i] += cosine > target_c[i] ? 1 : 0;
      if constexpr (Negatives::kHasHard) hard[i] += negative.hard ? 1 : 0;
      if constexpr (kPlain) plain_sum[i] += fast_exp(s * cosine - plain_shift[i]);
      c[i] = e * negative.slope * inv_norm;
    }
  }
}

template <class Negatives>
void exponentials_of(const ExpTile& t) {
  if (Negatives::kHasHard && t.plain) {
    exponentials<Negatives, Negatives::kHasHard>(t);
  } else {
    exponentials<Negatives, false>(t);
  }
}

template <class Negatives>
void factors_of(const FactorTile& t) {
  const std::int64_t n = t.n_pad;
  const NegativeParams params = t.negative;
  const float s = t.s;
  const float* const __restrict margin = t.margin;
  const float* const __restrict shift = t.shift;
  const float* const __restrict factor = t.factor;
  for (int j = 0; j < t.classes; ++j) {
    float* const __restrict c = t.c + j * n;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (std::int64_t i = 0; i < n; ++i) {
      const float cosine = c[i];
      const Negative negative = Negatives::negative(params, cosine, margin[i]);
      const float g = factor[i] * fast_exp(s * negative.logit - shift[i]) * negative.slope;
      dot += g * cosine;
      c[i] = g;
    }
    t.dot[j] = dot;
  }
}

template <class List>
struct OpsOf;
template <class... Rules>
struct OpsOf<NegativesPack<Rules...>> {
  static constexpr TileOps kOps = {QCF_ISA_NAME,
                                   kPanel,
                                   tile_load,
                                   tile_cosines,
                                   {exponentials_of<Rules>...},
                                   tile_add_vectors,
                                   {factors_of<Rules>...},
                                   tile_weight_gradients};
};

}  // namespace
}  // namespace qcface::kernels
