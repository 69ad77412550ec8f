// Stage 3: everything that is a matter of one row. Row values, dx and the factors of the second pass, then losses and t.
// In double throughout: N D work. One block a row.
// Bytes a row: reads the vector, x and the label's row of w (4 D each, twice, from L1 the second time), writes what is
// wanted of dx, dx_direction and dx_magnitude (4 D each).
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launches.h"
#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = 128;
constexpr int kLossThreads = 256;

struct FinishArgs {
  std::int64_t n, d, d_pad;
  bool vectors, gradient;
  RowParams params;
  const float *x, *w;
  const std::int64_t *label, *sampled;
  const HeadState* state;
  const double *z, *target, *target_inv_w, *log_sums, *counts;
  const float* shift;
  const double* sum;
  const float* sums_vectors;
  double *one_minus_q, *slope, *row_losses;
  float *log_shift, *factor;
  RowOutputs rows;
  DxOutputs dx;
  const ErrorRecord* errors;
};

template <class Head>
__global__ __launch_bounds__(kThreads) void finish_kernel(const __grid_constant__ FinishArgs a) {
  QCF_SHARED(RowValues, share, 1);
  QCF_SHARED(double, scratch, kThreads / 32);
  if (a.errors->key != kNoError) return;  // the labels may not be rows of w
  const std::int64_t i = blockIdx.x;
  const double c = a.target[i];
  if (threadIdx.x == 0) {
    const double log_sum = a.log_sums[i];
    const TargetInput input{c, a.target[a.n + i], a.z[i], static_cast<double>(a.state->length_mean),
                            static_cast<double>(a.state->length_std)};
    const RowValues r = row_values<Head>(a.params, input, log_sum, a.log_sums[a.n + i]);
    a.one_minus_q[i] = r.one_minus_q;
    a.slope[i] = r.target.slope;
    a.row_losses[i] = r.nll;
    a.row_losses[a.n + i] = r.guide.excess;
    a.log_shift[i] = r.log_shift;
    a.factor[i] = r.weight_factor;
    a.rows.write(i, a.z[i], r, a.counts[i], a.counts[a.n + i]);
    share[0] = r;
  }
  if (!a.gradient) return;
  __syncthreads();  // the row's values, for all threads
  const RowValues row = share[0];
  // the vector's own scale
  const double rescale =
      a.vectors && a.sum[i] > 0 ? exp(static_cast<double>(a.shift[i]) - a.log_sums[i]) : 0.0;
  const float* const x = a.x + i * a.d;
  const float* const vector = a.vectors ? a.sums_vectors + i * a.d_pad : nullptr;
  const std::int64_t y = a.label[i];
  const float* const w = y >= 0 ? a.w + (a.sampled != nullptr ? a.sampled[y] : y) * a.d : nullptr;
  const double inv_w = a.target_inv_w[i];
  double along = 0;  // (weighted class vector) . xh
  if (a.vectors) {
    for (std::int64_t k = threadIdx.x; k < a.d; k += kThreads) {
      along += rescale * static_cast<double>(vector[k]) * (static_cast<double>(x[k]) * row.inv_z);
    }
    along = block_sum<kThreads>(along, scratch);
  }
  double tangent = 0;
  for (std::int64_t k = threadIdx.x; k < a.d; k += kThreads) {
    const double xh = static_cast<double>(x[k]) * row.inv_z;
    double direction = 0;
    if (a.vectors) {
      direction = dx_across(row, rescale * static_cast<double>(vector[k]), along, xh,
                            w != nullptr ? w + k : nullptr, inv_w, c);
      tangent += direction * direction;
    }
    a.dx.write(i * a.d + k, direction, row.dz * xh);
  }
  if (a.rows.tangent == nullptr) return;  // the same for the whole block
  tangent = block_sum<kThreads>(tangent, scratch);
  if (threadIdx.x == 0) RowOutputs::put(a.rows.tangent, i, sqrt(tangent));
}

struct LossArgs {
  std::int64_t n;
  bool moves_t, moves_length_stats;
  RowParams params;
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
  if (a.losses != nullptr) batch_losses(a.params, nll, excess, a.losses);
  if (a.state->errors.key != kNoError) return;
  if (a.moves_t) *a.t = a.state->t;
  if (a.moves_length_stats) {
    a.length_stats[0] = a.state->length_mean;
    a.length_stats[1] = a.state->length_std;
  }
}

}  // namespace

cudaError_t finish_rows(const Layout& layout, const qcf_head_config& config, const qcf_head_args& args,
                        cudaStream_t stream) {
  if (layout.n == 0) return cudaSuccess;
  const FinishArgs a{layout.n,
                     layout.d,
                     layout.d_pad,
                     layout.vectors,
                     layout.vectors || args.dx_magnitude != nullptr,
                     make_row_params(config, layout.batch),
                     layout.x,
                     layout.w,
                     layout.label,
                     layout.sampled,
                     layout.state,
                     layout.z,
                     layout.target,
                     layout.target_inv_w,
                     layout.log_sums,
                     layout.counts,
                     layout.shift,
                     layout.sum,
                     layout.sums_vectors,
                     layout.one_minus_q,
                     layout.slope,
                     layout.row_losses,
                     layout.log_shift,
                     layout.factor,
                     row_outputs(args),
                     dx_outputs(args),
                     &layout.state->errors};
  return for_head(config.kind, [&](auto head) {
    return launch(finish_kernel<typename decltype(head)::type>, static_cast<unsigned>(layout.n), kThreads, 0,
                  stream, a);
  });
}

cudaError_t finish_losses(const Layout& layout, const qcf_head_config& config, const qcf_head_args& args,
                          cudaStream_t stream) {
  const bool moves = config.training != 0 && layout.n > 0;
  const HeadRow& head = *head_row(config.kind);
  const LossArgs a{layout.n,
                   moves && head.has_t,
                   moves && head.has_length_stats,
                   make_row_params(config, layout.batch),
                   layout.row_losses,
                   layout.state,
                   args.losses,
                   args.t,
                   args.length_stats};
  return launch(losses_kernel, 1, kLossThreads, 0, stream, a);
}

}  // namespace qcface::kernels::cuda
