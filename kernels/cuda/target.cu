// Stage 1 beside the unit rows: which rows' classes are held here, their target cosines, and the rows sorted by class.
// The target cosine c_iy and S = |wh_y - c xh| are taken in double from the fp32 inputs: the margin's slope and the choice
// of hard negatives hang on them, and sqrt(1 - c^2) has no digit left near theta = 0. One warp a row.
// Bytes: reads x twice and w's label rows three times (4 D each, L1 after the first), the N labels once a row from L2.
#include "kernels/cuda/launches.h"
#include "kernels/device/device.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/types.cuh"
#include "kernels/heads/row.h"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kRowsPerBlock = 4;

__device__ __forceinline__ bool finite(double v) { return fabs(v) <= 1.7e308; }  // false for NaN

__global__ void begin_stage_kernel(HeadState* state, Stage stage,
                                   const __grid_constant__ StageInputs inputs) {
  if (stage == Stage::kPrepare) {
    state->errors.key = kNoError;
    state->magic = kStateMagic;
    state->t = 0.0f;
  } else {
    const auto before = static_cast<Stage>(static_cast<int>(stage) - 1);
    const bool known = state->magic == kStateMagic;
    const Stage found = known ? state->stage : Stage::kNone;
    if (!known) {
      state->errors.key = kNoError;
      state->magic = kStateMagic;
    }
    if (found < before) {
      record_error(&state->errors, ErrorTensor::kStage,
                   static_cast<std::int64_t>(found) << 8 | static_cast<std::int64_t>(before));
      return;
    }
  }
  state->stage = stage;
  const auto check = [&](const auto* value, std::int64_t at, ErrorTensor tensor) {
    if (value != nullptr && !finite(static_cast<double>(value[at]))) record_error(&state->errors, tensor, at);
  };
  check(inputs.t, 0, ErrorTensor::kT);
  check(inputs.target_mean, 0, ErrorTensor::kTargetMean);
  check(inputs.lr, 0, ErrorTensor::kRate);
  for (int i = 0; i < 2; ++i) {
    check(inputs.length_stats, i, ErrorTensor::kLengthStats);
    check(inputs.length_moments, i, ErrorTensor::kLengthMoments);
  }
}

__global__ void sampled_kernel(const std::int64_t* sampled, std::int64_t count, std::int64_t w_rows,
                               ErrorRecord* errors) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const std::int64_t least = i == 0 ? 0 : sampled[i - 1] + 1;
  if (sampled[i] < least || sampled[i] >= w_rows) record_error(errors, ErrorTensor::kSampled, i);
}

struct LocalArgs {
  std::int64_t n, offset, w_rows, k_total, classes;
  const std::int64_t* sampled;
  std::int64_t* local;
  ErrorRecord* errors;
};

/// First place in sampled [count] that is at least `row`.
__device__ __forceinline__ std::int64_t first_sampled(const std::int64_t* sampled, std::int64_t count,
                                                      std::int64_t row) {
  std::int64_t low = 0, high = count;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (sampled[middle] < row) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

template <class L>
__global__ void local_labels_kernel(const __grid_constant__ LocalArgs a, const L* labels) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.n) return;
  const auto klass = static_cast<std::int64_t>(labels[i]);
  const bool elsewhere = klass == -1 && a.w_rows < a.k_total;
  if (!elsewhere && (klass < 0 || klass >= a.k_total)) record_error(a.errors, ErrorTensor::kLabels, i);
  std::int64_t place = klass - a.offset;
  if (klass < 0 || klass >= a.k_total || place < 0 || place >= a.w_rows) {
    place = -1;
  } else if (a.sampled != nullptr) {
    const std::int64_t row = place;
    place = first_sampled(a.sampled, a.classes, row);
    if (place == a.classes || a.sampled[place] != row) {
      record_error(a.errors, ErrorTensor::kNotSampled, i);
      place = -1;
    }
  }
  a.local[i] = place;
}

struct TargetArgs {
  std::int64_t n, d;
  const float *x, *w;
  const double* z;
  const std::int64_t *label, *sampled;
  std::int64_t w_rows;
  double *target, *inv_w;
  SortedLabel* labels;
  ErrorRecord* errors;
};

/// Sum over a warp of f(k) for k < d, in double.
template <class F>
__device__ __forceinline__ double warp_total(std::int64_t d, int lane, const F& f) {
  double sum = 0;
  for (std::int64_t k = lane; k < d; k += 32) sum += f(k);
  return warp_sum(sum);
}

__global__ __launch_bounds__(32 * kRowsPerBlock) void target_kernel(const __grid_constant__ TargetArgs a) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32;
  if (i >= a.n) return;  // whole warps
  // The place of this row among all, by class, then row; absent classes last.
  const std::int64_t y = a.label[i];
  const std::int64_t key = y < 0 ? INT64_MAX : y;
  std::int64_t place = 0;
  for (std::int64_t j0 = 0; j0 < a.n; j0 += 32) {
    const std::int64_t j = j0 + lane;
    bool before = false;
    if (j < a.n) {
      const std::int64_t other = a.label[j] < 0 ? INT64_MAX : a.label[j];
      before = other < key || (other == key && j < i);
    }
    place += __popc(__ballot_sync(~0u, before));
  }
  if (lane == 0) a.labels[place] = {key, i};

  double c = 0, sine = 0, inv_w = 0;
  const std::int64_t w_row = y >= 0 && a.sampled != nullptr ? a.sampled[y] : y;
  if (w_row >= 0 &&
      w_row < a.w_rows) {  // the same for the whole warp; an unsorted `sampled` may name any row
    const float* const x = a.x + i * a.d;
    const float* const w = a.w + w_row * a.d;
    const double norm = sqrt(warp_total(
        a.d, lane, [&](std::int64_t k) { return static_cast<double>(w[k]) * static_cast<double>(w[k]); }));
    if (lane == 0 && !finite(norm)) record_error(a.errors, ErrorTensor::kW, y);
    inv_w = inverse_length(norm);
    const double inv_x = inverse_length(a.z[i]);
    c = warp_total(a.d, lane,
                   [&](std::int64_t k) { return static_cast<double>(x[k]) * static_cast<double>(w[k]); });
    c = unit_cosine(c, inv_w, inv_x);
    sine = sqrt(warp_total(a.d, lane, [&](std::int64_t k) {
      const double part = across(static_cast<double>(w[k]) * inv_w, c, static_cast<double>(x[k]) * inv_x);
      return part * part;
    }));
  }
  if (lane == 0) {
    a.target[i] = c;
    a.target[a.n + i] = sine;
    a.inv_w[i] = inv_w;
  }
}

}  // namespace

cudaError_t begin_stage(const Layout& layout, Stage stage, const StageInputs& inputs, cudaStream_t stream) {
  return launch(begin_stage_kernel, 1, 1, 0, stream, layout.state, stage, inputs);
}

cudaError_t local_labels(const Layout& layout, const qcf_head_args& args, cudaStream_t stream) {
  if (layout.sampled != nullptr) {
    const auto blocks = static_cast<unsigned>((layout.classes + 127) / 128);
    const cudaError_t error = launch(sampled_kernel, blocks, 128, 0, stream, layout.sampled, layout.classes,
                                     layout.w_rows, &layout.state->errors);
    if (error != cudaSuccess) return error;
  }
  if (layout.n == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>((layout.n + 127) / 128);
  const LocalArgs a{layout.n,       layout.offset,  layout.w_rows, layout.k_total,
                    layout.classes, layout.sampled, layout.label,  &layout.state->errors};
  const auto run = [&](auto* labels) {
    return launch(local_labels_kernel<std::remove_cv_t<std::remove_pointer_t<decltype(labels)>>>, grid, 128,
                  0, stream, a, labels);
  };
  if (args.label_type == QCF_LABEL_I64) return run(static_cast<const std::int64_t*>(args.labels));
  return run(static_cast<const std::int32_t*>(args.labels));
}

cudaError_t target_cosines(const Layout& layout, const qcf_head_args& args, cudaStream_t stream) {
  if (layout.n == 0) return cudaSuccess;
  const TargetArgs a{layout.n,       layout.d,
                     layout.x,       args.w,
                     layout.z,       layout.label,
                     layout.sampled, layout.w_rows,
                     layout.target,  layout.target_inv_w,
                     layout.labels,  &layout.state->errors};
  return launch(target_kernel, static_cast<unsigned>((layout.n + kRowsPerBlock - 1) / kRowsPerBlock),
                32 * kRowsPerBlock, 0, stream, a);
}

}  // namespace qcface::kernels::cuda
