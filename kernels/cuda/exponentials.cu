// Stage 2 between the two products of a chunk: cosines [N, chunk] -> P = exp(s N - shift) N' in the operand type, with the
// running shift, the sums (of exp(s N), and of exp(s c) where it differs), ranks and hard counts of every row.
// Why in one kernel: a row of cosines is read once from L2 into shared memory, where both sweeps (the highest logit, then
// the exponentials) find it; nothing but P goes back. One block a row.
// Bytes a chunk: reads 4 N chunk, writes 2 or 4 N chunk, all of it in L2. A row whose shift moves has its vector rescaled
// (8 D bytes), which is rare after the first chunk: see ShiftPolicy.
// Sums: a thread's share in fp32 (at most 32 values), over the block and over the chunks in double.
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launches.h"
#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/types.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = 256;
constexpr float kExcluded = -1e18f;  // "cosine" of the label's own column: its exponential is exactly 0

struct ExponentialArgs {
  std::int64_t n, first_class, stride, d_pad;
  int classes;
  bool first, vectors;
  float s, mv_a;
  ShiftPolicy policy;
  const float* t;
  const float* cosines;       // [N, stride]
  const std::int64_t* label;  // [N]
  const float *margin, *target_c;
  float* shift;         // [2, N]
  double* sum;          // [2, N]
  double* counts;       // [2, N]
  float* sums_vectors;  // [N, d_pad]
  ErrorRecord* errors;
};

/// Moves a shift where that is needed; returns what sums made so far are multiplied by.
__device__ __forceinline__ float move_shift(const ShiftPolicy& policy, bool first, float highest,
                                            float* shift) {
  if (first) {
    *shift = highest - policy.lead;
    return 1.0f;
  }
  if (!(highest > *shift + policy.lazy)) return 1.0f;
  const float old = *shift;
  *shift = highest - policy.lead;
  return __expf(old - *shift);
}

template <class Negatives, class T, bool kPlain>
__global__ __launch_bounds__(kThreads) void exponentials_kernel(const __grid_constant__ ExponentialArgs a,
                                                                T* operand) {
  QCF_DYNAMIC_SHARED(bytes);
  QCF_SHARED(float, float_scratch, kThreads / 32);
  QCF_SHARED(double, double_scratch, kThreads / 32);
  QCF_SHARED(int, int_scratch, kThreads / 32);
  float* const held = reinterpret_cast<float*>(bytes);
  const std::int64_t row = blockIdx.x;
  const float* const cosines = a.cosines + row * a.stride;
  NegativeParams params{0.0f, a.mv_a};
  if constexpr (Negatives::kUsesT) params.t = *a.t;
  const float margin = a.margin[row], target_c = a.target_c[row], s = a.s;
  const std::int64_t y = a.label[row] - a.first_class;
  const int own = a.label[row] >= 0 && y >= 0 && y < a.classes ? static_cast<int>(y) : -1;

  // No logit is below -s; an excluded label must not set a shift.
  float highest = -1.0f, plain_highest = -1.0f;
  for (int at = 4 * static_cast<int>(threadIdx.x); at < a.classes; at += 4 * kThreads) {
    auto c = load<float>(cosines + at);
    QCF_UNROLL
    for (int e = 0; e < 4; ++e) {
      const float v = c[e];
      c[e] = v > 1.0f ? 1.0f : (v < -1.0f ? -1.0f : v);  // keeps NaN
      if (at + e >= a.classes || at + e == own) c[e] = kExcluded;
      const float logit = Negatives::negative(params, c[e], margin).logit;
      highest = logit > highest ? logit : highest;
      if constexpr (kPlain) plain_highest = c[e] > plain_highest ? c[e] : plain_highest;
    }
    store(held + at, c);
  }
  highest = block_max<kThreads>(highest, float_scratch) * s;
  float shift = a.shift[row], plain_shift = 0.0f, plain_rescale = 1.0f;
  const float rescale = move_shift(a.policy, a.first, highest, &shift);
  if constexpr (kPlain) {
    plain_highest = block_max<kThreads>(plain_highest, float_scratch) * s;
    plain_shift = a.shift[a.n + row];
    plain_rescale = move_shift({0.0f, 40.0f}, a.first, plain_highest, &plain_shift);
  }

  float sum = 0.0f, plain_sum = 0.0f;
  int higher = 0, hard = 0;
  T* const out = operand + row * a.stride;
  for (int at = 4 * static_cast<int>(threadIdx.x); at < a.classes; at += 4 * kThreads) {
    const auto c = load<float>(held + at);
    Vector<T, 4 * static_cast<int>(sizeof(T))> weighted;
    QCF_UNROLL
    for (int e = 0; e < 4; ++e) {
      const Negative negative = Negatives::negative(params, c[e], margin);
      const float exponential = __expf(fmaf(s, negative.logit, -shift));
      sum += exponential;
      higher += c[e] > target_c ? 1 : 0;
      if constexpr (Negatives::kHasHard) hard += negative.hard ? 1 : 0;
      if constexpr (kPlain) plain_sum += __expf(fmaf(s, c[e], -plain_shift));
      weighted.set(e, exponential * negative.slope);
    }
    if (a.vectors) store(out + at, weighted);
  }
  if (!(sum == sum)) {  // x was found finite, so the class row is not: name the first
    for (int at = 4 * static_cast<int>(threadIdx.x); at < a.classes; at += 4 * kThreads) {
      for (int e = 3; e >= 0; --e) {
        if (!(held[at + e] == held[at + e])) record_error(a.errors, ErrorTensor::kW, a.first_class + at + e);
      }
    }
  }
  const double total = block_sum<kThreads>(static_cast<double>(sum), double_scratch);
  double plain_total = 0;
  if constexpr (kPlain) plain_total = block_sum<kThreads>(static_cast<double>(plain_sum), double_scratch);
  higher = block_sum<kThreads>(higher, int_scratch);
  if constexpr (Negatives::kHasHard) hard = block_sum<kThreads>(hard, int_scratch);
  if (threadIdx.x == 0) {
    // All threads read the old shift before the first barrier above.
    const double kept = a.first ? 0.0 : a.sum[row] * static_cast<double>(rescale);
    a.sum[row] = kept + total;
    a.shift[row] = shift;
    a.counts[row] = (a.first ? 0.0 : a.counts[row]) + higher;
    a.counts[a.n + row] = (a.first ? 0.0 : a.counts[a.n + row]) + hard;
    if constexpr (kPlain) {
      const double plain_kept = a.first ? 0.0 : a.sum[a.n + row] * static_cast<double>(plain_rescale);
      a.sum[a.n + row] = plain_kept + plain_total;
      a.shift[a.n + row] = plain_shift;
    }
  }
  if (a.vectors && !a.first && rescale != 1.0f) {
    float* const vector = a.sums_vectors + row * a.d_pad;
    for (std::int64_t k = 4 * threadIdx.x; k < a.d_pad; k += 4 * kThreads) {
      auto v = load<float>(vector + k);
      QCF_UNROLL
      for (int e = 0; e < 4; ++e) v[e] *= rescale;
      store(vector + k, v);
    }
  }
}

struct StartArgs {
  std::int64_t n;
  bool moves;  // t and length_stats
  double t_momentum, ada_momentum;
  const float *t, *length_stats;
  const double* length_moments;
  const double* z;
  const double* target_mean;
  const double* target;
  float *margin, *target_c;
  HeadState* state;
  TargetParams params;
};

/// AdaFace's mean and deviation for this step, for all threads of the block.
__device__ __forceinline__ void length_stats_of(const StartArgs& a, double* scratch, float* mean_out,
                                                float* deviation_out) {
  *mean_out = a.length_stats[0];
  *deviation_out = a.length_stats[1];
  if (!a.moves) return;
  double mean = 0, square = 0;
  for (std::int64_t i = threadIdx.x; i < a.n; i += kThreads) mean += AdafaceHead::clipped_length(a.z[i]);
  mean = block_sum<kThreads>(mean, scratch) / static_cast<double>(a.n);
  for (std::int64_t i = threadIdx.x; i < a.n; i += kThreads) {
    const double off = AdafaceHead::clipped_length(a.z[i]) - mean;
    square += off * off;
  }
  square = block_sum<kThreads>(square, scratch);
  double deviation = a.n > 1 ? sqrt(square / static_cast<double>(a.n - 1)) : 0.0;
  if (a.length_moments != nullptr) {
    mean = a.length_moments[0];
    deviation = a.length_moments[1];
  }
  *mean_out = moved_average(a.ada_momentum, mean, *mean_out);
  if (a.n > 1 || a.length_moments != nullptr) {  // one length has no deviation
    *deviation_out = moved_average(a.ada_momentum, deviation, *deviation_out);
  }
}

template <class Head>
__global__ __launch_bounds__(kThreads) void start_sums_kernel(const __grid_constant__ StartArgs a) {
  QCF_SHARED(double, scratch, kThreads / 32);
  float length_mean = 0.0f, length_std = 0.0f;
  if constexpr (Head::kState == State::kLengthStats) length_stats_of(a, scratch, &length_mean, &length_std);
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < a.n; i += kThreads) {
    const double c = a.target[i];
    sum += c;
    const TargetInput input{c, a.target[a.n + i], a.z[i], static_cast<double>(length_mean),
                            static_cast<double>(length_std)};
    a.margin[i] = static_cast<float>(Head::target(a.params, input).margin);
    a.target_c[i] = static_cast<float>(c);
  }
  const double mean = block_sum<kThreads>(sum, scratch) / static_cast<double>(a.n > 0 ? a.n : 1);
  if (threadIdx.x != 0) return;
  a.state->length_mean = length_mean;
  a.state->length_std = length_std;
  if constexpr (Head::kState == State::kT) {
    const double used = a.target_mean != nullptr ? *a.target_mean : mean;
    a.state->t = a.moves ? moved_average(a.t_momentum, used, *a.t) : *a.t;
  }
}

__global__ void close_sums_kernel(std::int64_t n, bool plain, const float* shift, const double* sum,
                                  double* log_sums) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const double first = sum[i] > 0 ? static_cast<double>(shift[i]) + log(sum[i]) : kNoSum;
  double second = first;
  if (plain) second = sum[n + i] > 0 ? static_cast<double>(shift[n + i]) + log(sum[n + i]) : kNoSum;
  log_sums[i] = first;
  log_sums[n + i] = second;
}

}  // namespace

cudaError_t start_sums(const Layout& layout, const qcf_head_config& config, const qcf_head_args& args,
                       cudaStream_t stream) {
  const StartArgs a{layout.n,
                    config.training != 0 && layout.n > 0,
                    config.t_momentum,
                    config.ada_momentum,
                    args.t,
                    args.length_stats,
                    args.length_moments,
                    layout.z,
                    args.target_mean,
                    layout.target,
                    layout.margin,
                    layout.target_c,
                    layout.state,
                    make_target_params(config)};
  return for_head(config.kind, [&](auto head) {
    return launch(start_sums_kernel<typename decltype(head)::type>, 1, kThreads, 0, stream, a);
  });
}

cudaError_t exponentials(const Layout& layout, const qcf_head_config& config, std::int64_t first_class,
                         std::int64_t classes, cudaStream_t stream) {
  const ExponentialArgs a{layout.n,
                          first_class,
                          layout.chunk,
                          layout.d_pad,
                          static_cast<int>(classes),
                          first_class == 0,
                          layout.vectors,
                          static_cast<float>(config.s),
                          static_cast<float>(config.mv_a),
                          shift_policy(layout.type, config),
                          &layout.state->t,
                          layout.cosines,
                          layout.label,
                          layout.margin,
                          layout.target_c,
                          layout.shift,
                          layout.sum,
                          layout.counts,
                          layout.sums_vectors,
                          &layout.state->errors};
  const auto grid = static_cast<unsigned>(layout.n);
  const auto shared = static_cast<std::size_t>(layout.chunk) * sizeof(float);
  return for_negatives(config.kind, [&](auto head) {
    using Negatives = typename decltype(head)::type;
    return for_operand(layout.type, [&](auto operand) {
      using T = typename decltype(operand)::type;
      const bool plain = Negatives::kHasHard && layout.plain;
      return launch(plain ? exponentials_kernel<Negatives, T, Negatives::kHasHard>
                          : exponentials_kernel<Negatives, T, false>,
                    grid, kThreads, shared, stream, a, static_cast<T*>(layout.operand));
    });
  });
}

cudaError_t close_sums(const Layout& layout, cudaStream_t stream) {
  return launch(close_sums_kernel, static_cast<unsigned>((layout.n + 127) / 128), 128, 0, stream, layout.n,
                layout.plain, layout.shift, layout.sum, layout.log_sums);
}

}  // namespace qcface::kernels::cuda
