// What the fused plans do to one element of S, whichever instruction made it: cosine -> exponential and the sums of its
// row (first pass), cosine -> gradient factor (second pass). All in fp32 registers.
//
// Range of the 16-bit operands. A shift moves only when a logit exceeds it by more than kLazy, so that O is rarely
// rescaled; an exponential is then at most e^kLazy. bf16 has the exponents of fp32 and takes kLazy = 40 as the CPU does.
// fp16 ends at 65504 and loses digits below 6.1e-5: kLazy is 4, and the operand is multiplied by the largest power of two
// that keeps e^4 max|N'| below 60000 (256 at |N'| <= 3), so that classes down to e^-15 of the largest keep all
// their digits and classes down to e^-22 count. In the second pass the operand is at most (s / B) max|N'|, because no exponential
// exceeds the sum it is divided by; the same kind of power of two brings that to the top of the range. Both are divided out in
// fp32 at the end, exactly.
#pragma once

#include "kernels/cuda/fused.h"
#include "kernels/device/device.cuh"
#include "kernels/device/types.cuh"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {

using namespace ::qcface::cuda;

template <class T>
struct OperandRange {
  static constexpr float kLazy = 40.0f;
  static constexpr bool kScaled = false;
};
template <>
struct OperandRange<__half> {
  static constexpr float kLazy = 4.0f;
  static constexpr bool kScaled = true;
};

inline constexpr float kMostLazyExponential = 54.6f;  // e^4, rounded up

/// Largest power of two p with p * bound <= 60000, within 2^-40 .. 2^40.
__device__ __forceinline__ float power_of_two_below(float bound) {
  const float quotient = 60000.0f / fmaxf(bound, 1e-30f);
  const int exponent = static_cast<int>(__float_as_uint(quotient) >> 23) - 127;  // quotient > 0
  return __uint_as_float(static_cast<std::uint32_t>(max(-40, min(40, exponent)) + 127) << 23);
}

/// Bound of |N'| over all cosines.
template <class Negatives>
__device__ __forceinline__ float slope_bound(const NegativeParams& params) {
  if constexpr (!Negatives::kHasHard) {
    return 1.0f;
  } else if constexpr (Negatives::kUsesT) {
    return fmaxf(1.0f, fabsf(params.t) + 2.0f);
  } else {
    return fmaxf(1.0f, params.a);
  }
}

/// A sum of many fp32 values that keeps what each addition rounds away.
struct CompensatedSum {
  float high = 0.0f, low = 0.0f;

  __device__ __forceinline__ void add(float value) {
    const float sum = high + value;
    const float part = sum - high;
    low += (high - (sum - part)) + (value - part);
    high = sum;
  }
  __device__ __forceinline__ void scale(float factor) {
    high *= factor;  // rounds once a move of the shift: a handful of times a row
    low *= factor;
  }
  __device__ __forceinline__ double value() const {
    return static_cast<double>(high) + static_cast<double>(low);
  }
};

/// A column that holds the label of the row, or no class: its exponential is exactly 0.
inline constexpr float kNoCosine = -1e18f;

__device__ __forceinline__ float clamp_cosine(float c) { return fminf(1.0f, fmaxf(-1.0f, c)); }

/// One thread's view of kRows rows in the first pass. The threads that share a row agree on its shift, because they
/// compute it from the same maxima; each sums its own columns.
template <class Negatives, class T, int kRows>
struct SumsRows {
  float margin[kRows], target_c[kRows];
  int label[kRows];
  float shift[kRows], plain_shift[kRows];
  CompensatedSum sum[kRows], plain_sum[kRows];
  int higher[kRows], hard[kRows];

  __device__ __forceinline__ void load(int i, bool valid, float m, float c, std::int64_t y) {
    margin[i] = valid ? m : 2.0f;
    target_c[i] = valid ? c : 2.0f;
    label[i] = valid ? static_cast<int>(y) : -1;
    shift[i] = plain_shift[i] = 0.0f;
    sum[i] = plain_sum[i] = CompensatedSum();
    higher[i] = hard[i] = 0;
  }

  /// The cosine in column j, or kNoCosine. j >= columns lies past the last class.
  __device__ __forceinline__ float cosine(int i, float score, int j, int columns) const {
    return j < columns && j != label[i] ? clamp_cosine(score) : kNoCosine;
  }

  /// Moves a shift where that is needed; returns what sums made so far are multiplied by.
  __device__ __forceinline__ float move(int i, float highest, bool first) {
    const bool moves = first || highest > shift[i] + OperandRange<T>::kLazy;
    const float rescale = moves && !first ? __expf(shift[i] - highest) : 1.0f;
    if (moves) {
      shift[i] = highest;
      sum[i].scale(rescale);
    }
    return rescale;
  }
  __device__ __forceinline__ void move_plain(int i, float highest, bool first) {
    if (!first && !(highest > plain_shift[i] + 40.0f)) return;
    plain_sum[i].scale(first ? 1.0f : __expf(plain_shift[i] - highest));
    plain_shift[i] = highest;
  }

  /// The exponential of one element; adds it to `tile_sum`. Returns exp(s N - shift) N'.
  __device__ __forceinline__ float element(int i, float cosine, float s, const NegativeParams& params,
                                           bool plain, float& tile_sum, float& plain_tile_sum) {
    const Negative negative = Negatives::negative(params, cosine, margin[i]);
    const float e = __expf(fmaf(s, negative.logit, -shift[i]));
    tile_sum += e;
    higher[i] += cosine > target_c[i] ? 1 : 0;
    if constexpr (Negatives::kHasHard) {
      hard[i] += negative.hard ? 1 : 0;
      if (plain) plain_tile_sum += __expf(fmaf(s, cosine, -plain_shift[i]));
    }
    return e * negative.slope;
  }
};

/// Sums of rows first_row .. first_row + 63 over the threads that hold pieces of them: the four lanes of a quad, then the
/// kGroups column groups in order. row_of(i): place of the thread's row i among the 64; sync(): barrier of all threads
/// that call this; at: their index from 0. Takes 1536 kGroups + 512 bytes of shared memory.
template <int kGroups, class Negatives, class T, int kRows, class RowOf, class Sync>
__device__ __forceinline__ void write_sums(unsigned char* shared, const SumsRows<Negatives, T, kRows>& rows,
                                           int group, const RowOf& row_of, const Sync& sync, int at,
                                           std::int64_t first_row, std::int64_t n, std::int64_t part,
                                           const FusedPartials& out) {
  double* const sums = reinterpret_cast<double*>(shared);                                 // [2, groups, 64]
  std::int32_t* const counts = reinterpret_cast<std::int32_t*>(sums + 2 * kGroups * 64);  // [2, groups, 64]
  float* const shifts = reinterpret_cast<float*>(counts + 2 * kGroups * 64);              // [2, 64]
  QCF_UNROLL
  for (int i = 0; i < kRows; ++i) {
    double sum = rows.sum[i].value(), plain = rows.plain_sum[i].value();
    int higher = rows.higher[i], hard = rows.hard[i];
    QCF_UNROLL
    for (int step = 1; step < 4; step *= 2) {
      sum += __shfl_xor_sync(~0u, sum, step);
      plain += __shfl_xor_sync(~0u, plain, step);
      higher += __shfl_xor_sync(~0u, higher, step);
      hard += __shfl_xor_sync(~0u, hard, step);
    }
    if (threadIdx.x % 4 == 0) {
      const int row = row_of(i);
      sums[group * 64 + row] = sum;
      sums[(kGroups + group) * 64 + row] = plain;
      counts[group * 64 + row] = higher;
      counts[(kGroups + group) * 64 + row] = hard;
      if (group == 0) {
        shifts[row] = rows.shift[i];
        shifts[64 + row] = rows.plain_shift[i];
      }
    }
  }
  sync();
  const std::int64_t row = first_row + at % 64;  // threads 0 to 63: the sums, 64 to 127: the plain sums
  if (at >= 128 || row >= n) return;
  double sum = 0;
  std::int32_t count = 0;
  for (int g = 0; g < kGroups; ++g) {
    sum += sums[(at / 64 * kGroups + g) * 64 + at % 64];
    count += counts[(at / 64 * kGroups + g) * 64 + at % 64];
  }
  const std::int64_t place = (2 * part + at / 64) * n + row;
  out.sum[place] = sum;
  out.shift[place] = shifts[at];
  out.counts[place] = count;
}

/// factor exp(s N - shift) N' of the second pass, without the label's column. The exponent is at most 0: the shift is the
/// logarithm of a sum that holds this term. The minimum matters where a cosine lies within rounding of the margin and
/// falls on the other side of it than in the first pass.
template <class Negatives>
__device__ __forceinline__ float gradient_factor(const NegativeParams& params, float score, float s,
                                                 float margin, float shift, float factor) {
  const Negative negative = Negatives::negative(params, clamp_cosine(score), margin);
  return factor * __expf(fminf(0.0f, fmaf(s, negative.logit, -shift))) * negative.slope;
}

}  // namespace qcface::kernels::cuda
