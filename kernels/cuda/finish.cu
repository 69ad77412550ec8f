// Stage 3: everything that is a matter of one row. Row values, dx and the factors of the second pass, then losses and t.
// In double throughout: N D work. One block a row.
// Bytes a row: reads the vector, x and the label's row of w (4 D each, twice, from L1 the second time), writes what is
// wanted of dx, dx_direction and dx_magnitude (4 D each).
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/stages.h"
#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = 128;
constexpr int kLossThreads = 256;
constexpr double kFloor = 1e-12;

__device__ __forceinline__ double softplus(double v) { return fmax(v, 0.0) + log1p(exp(-fabs(v))); }

__device__ __forceinline__ double sigmoid(double v) {
  const double e = exp(-fabs(v));
  return v >= 0 ? 1 / (1 + e) : e / (1 + e);
}

struct FinishArgs {
  std::int64_t n, d, d_pad;
  bool norm, vectors, gradient;
  double s, lambda, batch;
  bool accumulate;
  TargetParams target_params;
  MagnitudeParams magnitude_params;
  const float *x, *w;
  const std::int64_t *label, *sampled;
  const HeadState* state;
  const double *z, *target, *target_inv_w, *log_sums, *counts;
  const float* shift;
  const double* sum;
  const float* sums_vectors;
  double *one_minus_q, *slope, *row_losses;
  float *log_shift, *factor;
  float *row_z, *row_c, *row_t, *row_nll, *row_one_minus_q, *row_p, *row_zstar, *row_lg, *row_dz,
      *row_tangent;
  std::int32_t *row_rank, *row_hard;
  const ErrorRecord* errors;
  float *dx, *dx_direction, *dx_magnitude;
};

__device__ __forceinline__ void put(float* out, std::int64_t i, double value) {
  if (out != nullptr) out[i] = static_cast<float>(value);
}

__device__ __forceinline__ void put_gradient(float* out, std::int64_t i, double value, bool accumulate) {
  if (out != nullptr) out[i] = static_cast<float>(accumulate ? static_cast<double>(out[i]) + value : value);
}

/// What thread 0 finds out about the row and all threads need.
struct RowShare {
  double factor;   // s / B (1 - q) / z
  double slope;    // T'
  double dz;       // radial slope of the loss
  double inv_z;    // 0 for a row without direction
  double rescale;  // exp(shift - log sum): the vector's own scale
};

template <class Head>
__global__ __launch_bounds__(kThreads) void finish_kernel(const __grid_constant__ FinishArgs a) {
  QCF_SHARED(RowShare, share, 1);
  QCF_SHARED(double, scratch, kThreads / 32);
  if (a.errors->key != kNoError) return;  // the labels may not be rows of w
  const std::int64_t i = blockIdx.x;
  const double c = a.target[i];
  if (threadIdx.x == 0) {
    const double z = a.z[i];
    const double log_sum = a.log_sums[i];
    const TargetInput input{c, a.target[a.n + i], z, static_cast<double>(a.state->length_mean),
                            static_cast<double>(a.state->length_std)};
    const TargetValue target = Head::target(a.target_params, input);
    const double distance = log_sum - a.s * target.logit;
    const double nll = softplus(distance), one_minus_q = sigmoid(distance);
    const double p = sigmoid(a.s * target.cosine - a.log_sums[a.n + i]);
    const GuidanceValue<double> guide = Head::MagnitudeLoss::value(a.magnitude_params, z, p);
    const bool live = z >= kFloor;  // a zero row has no radius to go along
    double dz = a.norm && live ? a.lambda / a.batch * guide.slope : 0.0;
    if (live) dz -= a.s / a.batch * one_minus_q * target.length_slope;
    a.one_minus_q[i] = one_minus_q;
    a.slope[i] = target.slope;
    a.row_losses[i] = nll;
    a.row_losses[a.n + i] = guide.excess;
    // exp(s N - Ln) is taken as exp(s N - shift) in fp32 times what rounding Ln to fp32 left out
    const float log_shift = static_cast<float>(log_sum);
    a.log_shift[i] = log_shift;
    a.factor[i] =
        static_cast<float>(a.s / a.batch * one_minus_q * exp(static_cast<double>(log_shift) - log_sum));
    put(a.row_z, i, z);
    put(a.row_c, i, target.cosine);
    put(a.row_t, i, target.logit);
    put(a.row_nll, i, nll);
    put(a.row_one_minus_q, i, one_minus_q);
    put(a.row_p, i, p);
    put(a.row_zstar, i, guide.zstar);
    put(a.row_lg, i, guide.excess);
    put(a.row_dz, i, dz);
    if (a.row_rank != nullptr) a.row_rank[i] = static_cast<std::int32_t>(a.counts[i]);
    if (a.row_hard != nullptr) a.row_hard[i] = static_cast<std::int32_t>(a.counts[a.n + i]);
    RowShare row;
    row.inv_z = live ? 1.0 / z : 0.0;
    row.factor = a.s / a.batch * one_minus_q * row.inv_z;
    row.slope = target.slope;
    row.dz = dz;
    row.rescale = a.vectors && a.sum[i] > 0 ? exp(static_cast<double>(a.shift[i]) - log_sum) : 0.0;
    share[0] = row;
  }
  if (!a.gradient) return;
  __syncthreads();  // the row's values, for all threads
  const RowShare row = share[0];
  const float* const x = a.x + i * a.d;
  const float* const vector = a.vectors ? a.sums_vectors + i * a.d_pad : nullptr;
  const std::int64_t y = a.label[i];
  const float* const w = y >= 0 ? a.w + (a.sampled != nullptr ? a.sampled[y] : y) * a.d : nullptr;
  const double inv_w = a.target_inv_w[i];
  double along = 0;  // (weighted class vector) . xh
  if (a.vectors) {
    for (std::int64_t k = threadIdx.x; k < a.d; k += kThreads) {
      along += row.rescale * static_cast<double>(vector[k]) * (static_cast<double>(x[k]) * row.inv_z);
    }
    along = block_sum<kThreads>(along, scratch);
  }
  double tangent = 0;
  for (std::int64_t k = threadIdx.x; k < a.d; k += kThreads) {
    const double xh = static_cast<double>(x[k]) * row.inv_z;
    const std::int64_t at = i * a.d + k;
    double direction = 0;
    if (a.vectors) {
      direction = row.rescale * static_cast<double>(vector[k]) - along * xh;
      // The target's own part is formed from wh_y - c xh, not from wh_y: near theta = 0 the slope T' is large and the
      // difference small, and only their product is bounded.
      if (w != nullptr) direction -= row.slope * (static_cast<double>(w[k]) * inv_w - c * xh);
      direction *= row.factor;
      tangent += direction * direction;
    }
    const double magnitude = row.dz * xh;
    put_gradient(a.dx_direction, at, direction, a.accumulate);
    put_gradient(a.dx_magnitude, at, magnitude, a.accumulate);
    put_gradient(a.dx, at, direction + magnitude, a.accumulate);
  }
  if (a.row_tangent == nullptr) return;  // the same for the whole block
  tangent = block_sum<kThreads>(tangent, scratch);
  if (threadIdx.x == 0) put(a.row_tangent, i, sqrt(tangent));
}

struct LossArgs {
  std::int64_t n;
  bool norm, moves_t, moves_length_stats;
  double lambda, batch;
  const double* row_losses;
  const HeadState* state;
  double* losses;
  float *t, *length_stats;
};

/// Sums in a fixed order: thread by thread, then warp by warp.
__global__ __launch_bounds__(kLossThreads) void losses_kernel(const __grid_constant__ LossArgs a) {
  QCF_SHARED(double, scratch, kLossThreads / 32);
  double nll = 0, excess = 0;
  for (std::int64_t i = threadIdx.x; i < a.n; i += kLossThreads) {
    nll += a.row_losses[i];
    excess += a.row_losses[a.n + i];
  }
  nll = block_sum<kLossThreads>(nll, scratch);
  excess = block_sum<kLossThreads>(excess, scratch);
  if (threadIdx.x != 0) return;
  if (a.losses != nullptr) {
    const double batch = a.batch > 0 ? a.batch : 1.0;
    a.losses[1] = nll / batch;
    a.losses[2] = a.norm ? excess / batch : 0.0;
    a.losses[0] = a.losses[1] + (a.norm ? a.lambda * a.losses[2] : 0.0);
  }
  if (a.state->errors.key != kNoError) return;
  if (a.moves_t) *a.t = a.state->t;
  if (a.moves_length_stats) {
    a.length_stats[0] = a.state->length_mean;
    a.length_stats[1] = a.state->length_std;
  }
}

}  // namespace

cudaError_t finish_rows(const Plan& plan, const qcf_head_config& config, const qcf_head_args& args,
                        cudaStream_t stream) {
  if (plan.n == 0) return cudaSuccess;
  FinishArgs a{};
  a.n = plan.n;
  a.d = plan.d;
  a.d_pad = plan.d_pad;
  a.norm = config.phase == QCF_PHASE_NORM;
  a.vectors = plan.vectors;
  a.gradient = plan.vectors || args.dx_magnitude != nullptr;
  a.s = config.s;
  a.lambda = config.lambda;
  a.batch = plan.batch;
  a.target_params = make_target_params(config);
  a.magnitude_params = make_magnitude_params(config);
  a.accumulate = args.dx_mode == QCF_GRADIENT_ACCUMULATE;
  a.sampled = plan.sampled;
  a.state = plan.state;
  a.x = plan.x;
  a.w = args.w;
  a.label = plan.label;
  a.z = plan.z;
  a.target = plan.target;
  a.target_inv_w = plan.target_inv_w;
  a.log_sums = plan.log_sums;
  a.counts = plan.counts;
  a.shift = plan.shift;
  a.sum = plan.sum;
  a.sums_vectors = plan.sums_vectors;
  a.one_minus_q = plan.one_minus_q;
  a.slope = plan.slope;
  a.row_losses = plan.row_losses;
  a.log_shift = plan.log_shift;
  a.factor = plan.factor;
  a.row_z = args.row_z;
  a.row_c = args.row_c;
  a.row_t = args.row_t;
  a.row_nll = args.row_nll;
  a.row_one_minus_q = args.row_one_minus_q;
  a.row_p = args.row_p;
  a.row_zstar = args.row_zstar;
  a.row_lg = args.row_lg;
  a.row_dz = args.row_dz;
  a.row_tangent = args.row_tangent;
  a.row_rank = args.row_rank;
  a.row_hard = args.row_hard;
  a.errors = &plan.state->errors;
  a.dx = args.dx;
  a.dx_direction = args.dx_direction;
  a.dx_magnitude = args.dx_magnitude;
  return for_head(config.kind, [&](auto head) {
    return launch(finish_kernel<typename decltype(head)::type>, static_cast<unsigned>(plan.n), kThreads, 0,
                  stream, a);
  });
}

cudaError_t finish_losses(const Plan& plan, const qcf_head_config& config, const qcf_head_args& args,
                          cudaStream_t stream) {
  const bool moves = config.training != 0 && plan.n > 0;
  const HeadRow& head = *head_row(config.kind);
  const LossArgs a{plan.n,
                   config.phase == QCF_PHASE_NORM,
                   moves && head.has_t,
                   moves && head.has_length_stats,
                   config.lambda,
                   plan.batch,
                   plan.row_losses,
                   plan.state,
                   args.losses,
                   args.t,
                   args.length_stats};
  return launch(losses_kernel, 1, kLossThreads, 0, stream, a);
}

}  // namespace qcface::kernels::cuda
