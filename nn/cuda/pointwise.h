// Batch norm, residual addition and PReLU over NHWC values, forward and backward:
//   z = a x + b [+ residual],  a = gamma * inv_std,  b = beta - mean * a     (a = 1, b = 0 without batch norm)
//   y = z where z > 0, slope * z elsewhere                                   (y = z without slopes)
// each part optional; mean and inv_std are those of the batch or the running ones, whatever `saved` was
// filled with. All arithmetic is fp32; a value is rounded to the storage type once, when it is stored.
//
// A training step of one layer:
//   forward   batch_norm_statistics (left out where the layer before emitted them), batch_norm_finalise,
//             pointwise_forward
//   backward  pointwise_backward_sums, pointwise_backward_finalise, pointwise_backward
// Frozen or evaluation: batch_norm_from_running, pointwise_forward; backward as above with frozen = true.
// Where ranks share the batch norm, their totals are added up between two calls:
//   forward   batch_norm_totals in place of batch_norm_finalise, the sum over the ranks, batch_norm_from_totals
//   backward  pointwise_backward_finalise with `totals`, the sum over the ranks, pointwise_backward_factors
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

struct PointwiseShape {
  StorageType type = StorageType::kF32;
  std::int64_t rows = 0;  // N * H * W
  int channels = 0;
};

/// Device arrays [channels] of one batch norm.
struct BatchNormParameters {
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float* running_mean = nullptr;
  float* running_var = nullptr;
  float eps = 0;
  float momentum = 0;  // torch's sense: weight of the new value
};

/// What forward leaves for backward: rows a, b, mean, inv_std of [channels] floats each.
constexpr std::size_t batch_norm_saved_bytes(int channels) {
  return std::size_t{4} * static_cast<std::size_t>(channels) * sizeof(float);
}

/// Partial statistics of values of that shape: a (mean, sum of squared deviations) pair for each channel and
/// group of rows. Written by batch_norm_statistics or by pointwise_forward, read by batch_norm_finalise.
std::size_t statistics_workspace_bytes(const PointwiseShape& shape);

/// Reads x once.
void batch_norm_statistics(const PointwiseShape& shape, const void* x, void* partials, cudaStream_t stream);

/// Merges the partials (double precision, fixed order), fills `saved`, and updates the running values:
/// running = (1 - momentum) running + momentum * batch, with the unbiased variance. Throws for fewer than 2
/// rows.
void batch_norm_finalise(const PointwiseShape& shape, const void* partials,
                         const BatchNormParameters& parameters, float* saved, cudaStream_t stream);

/// The same from fp32 [2, channels]: the sums of the values and of their squares, as a convolution's epilogue leaves
/// them. What cancels in sum x^2 / R - mean^2 costs the variance some (mean / deviation)^2 units of fp32. Enough for
/// fp16: at a mean of 10 deviations that is 5e-5 (test_statistics.cpp), a tenth of a unit of fp16, and of the order of
/// what rounding the values has done. fp32 values want the partials.
void batch_norm_from_sums(const PointwiseShape& shape, const float* sums,
                          const BatchNormParameters& parameters, float* saved, cudaStream_t stream);

/// Fills `saved` from the running values, which are left alone.
void batch_norm_from_running(int channels, const BatchNormParameters& parameters, float* saved,
                             cudaStream_t stream);

/// What a rank hands to the others: for each channel two sums over its own rows, and behind them the number of its rows.
constexpr std::int64_t batch_norm_total_count(int channels) { return 2 * std::int64_t{channels} + 1; }

/// totals [2, channels] and 1: the sums of the values and of their squares, from what batch_norm_finalise would take. At least
/// one row.
void batch_norm_totals(const PointwiseShape& shape, const void* partials, double* totals,
                       cudaStream_t stream);
/// The same from what batch_norm_from_sums would take.
void batch_norm_totals_from_sums(const PointwiseShape& shape, const float* sums, double* totals,
                                 cudaStream_t stream);
/// As batch_norm_finalise, from totals that were added up: mean = S1 / n, variance = (S2 - S1 mean) / n over all n rows, which
/// must be 2 or more.
void batch_norm_from_totals(int channels, const double* totals, const BatchNormParameters& parameters,
                            float* saved, cudaStream_t stream);

struct PointwiseForward {
  PointwiseShape shape;
  const void* x = nullptr;
  const void* residual = nullptr;  // optional
  void* y = nullptr;               // may be x or residual
  const float* saved = nullptr;    // null: no batch norm
  const float* slope = nullptr;    // [channels], null: no PReLU
  void* next_partials =
      nullptr;  // optional: statistics of y as stored, as batch_norm_statistics(y) would leave them
};
/// Reads x and residual once, writes y once.
void pointwise_forward(const PointwiseForward& call, cudaStream_t stream);

struct PointwiseBackward {
  PointwiseShape shape;
  const void* x = nullptr;         // may be null where no part needs it (see needs_x)
  const void* residual = nullptr;  // the forward residual; needed only together with slope, to find z again
  const void* dy = nullptr;
  const float* saved = nullptr;  // as in forward
  const float* slope = nullptr;  // as in forward
  bool frozen = false;           // statistics were the running ones: no gradient flows through them
  void* dx = nullptr;            // optional; may be dy
  bool accumulate_dx = false;    // dx += instead of dx =
  void* d_residual = nullptr;    // optional; gradient of the residual, dz. May be dy if dx is not
  bool accumulate_residual = false;
  /// Where ranks share the statistics: [batch_norm_total_count], the sums of dz and of dz (x - mean).
  double* totals = nullptr;
};

/// Whether pointwise_backward reads x (pointwise_backward_sums always does).
constexpr bool needs_x(const PointwiseBackward& call) {
  return call.slope != nullptr || (call.saved != nullptr && !call.frozen);
}

/// Partial sums of the backward pass followed by the two factors a channel that pass 2 needs; used by the
/// three calls below in this order. Not needed (0 bytes) without batch norm and slopes.
std::size_t pointwise_backward_workspace_bytes(const PointwiseShape& shape);

/// Pass 1: sum dz, sum dz (x - mean), slope gradient. Reads x, dy (and residual, if given with slopes) once.
void pointwise_backward_sums(const PointwiseBackward& call, void* workspace, cudaStream_t stream);

/// Overwrites d_gamma = inv_std * sum dz (x - mean), d_beta = sum dz, d_slope = sum of dy z over z <= 0, each
/// [channels], null where the part is absent; and finishes the factors for pass 2. With `totals` it fills those instead: the
/// gradients are of this rank's rows and add up like all others.
void pointwise_backward_finalise(const PointwiseBackward& call, void* workspace, float* d_gamma,
                                 float* d_beta, float* d_slope, cudaStream_t stream);

/// The factors for pass 2 from totals that were added up, where R is then the rows of all ranks.
void pointwise_backward_factors(const PointwiseBackward& call, void* workspace, cudaStream_t stream);

/// Pass 2: dx = a dz - a/R sum dz - a inv_std^2/R (x - mean) sum dz (x - mean)   (batch statistics; a dz if
/// frozen), dz = dy where z > 0 and slope * dy elsewhere. Reads dy and, if needed, x once; writes dx and
/// d_residual once each (and reads them where it accumulates). `workspace` may be null for frozen layers and
/// layers without batch norm.
void pointwise_backward(const PointwiseBackward& call, const void* workspace, cudaStream_t stream);

}  // namespace qcface::nn::cuda
