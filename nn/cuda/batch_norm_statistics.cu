// Batch-norm statistics of a value x [R, C]: a (mean, squared deviations) pair for each channel and group of
// rows, then their merge into mean, inv_std and the running values.
//
// Bytes moved: reads x once, R C sizeof(T); the partials, at most 1024 * 8 C bytes, are written and read once
// and stay in L2. A pass that already holds the values (pointwise_forward) emits the same partials instead,
// and x is not read here.
#include "nn/cuda/batch_norm_statistics.cuh"
#include "nn/cuda/pointwise.h"
#include "nn/cuda/values.cuh"

namespace qcface::nn::cuda {
namespace {

template <class T, int V>
__global__ __launch_bounds__(kRowThreads) void statistics_kernel(const T* __restrict__ x, std::int64_t rows,
                                                                 int channels, RowCut cut,
                                                                 float* __restrict__ partials) {
  QCF_SHARED(float, shared, 2 * kRowThreads * V);
  const RowPlace place = row_place<V>(cut, rows, channels);
  const std::int64_t stride = cut.lanes_r;
  Moments<V> moments;
  moments.clear();
  if (place.active) {
    for (std::int64_t row = place.first; row < place.end; row += kRun * stride) {
      Pack<T, V> values[kRun];
      QCF_UNROLL
      for (int j = 0; j < kRun; ++j) {
        const std::int64_t r = row_of_run(place, row, j, stride);
        values[j] = load_pack<T, V>(x + r * channels + place.channel);
      }
      if (row == place.first) {
        QCF_UNROLL
        for (int i = 0; i < V; ++i) moments.start(i, values[0].get(i));
      }
      QCF_UNROLL
      for (int j = 0; j < kRun; ++j) {
        if (row + j * stride >= place.end) continue;
        QCF_UNROLL
        for (int i = 0; i < V; ++i) moments.add(i, values[j].get(i));
      }
    }
  }
  block_moments<V>(moments, place, cut, channels, shared, partials);
}

struct Finalise {
  const float* gamma;
  const float* beta;
  float* running_mean;
  float* running_var;
  float* saved;  // rows a, b, mean, inv_std
  int channels;
  float eps, momentum;
  double* totals;  // not null: what a rank hands on, in place of everything above
};

__device__ __forceinline__ void write_constants(const Finalise& f, int c, double mean, double variance) {
  const double inverse = 1.0 / sqrt(variance + static_cast<double>(f.eps));
  const double a = static_cast<double>(f.gamma[c]) * inverse;
  f.saved[c] = static_cast<float>(a);
  f.saved[f.channels + c] = static_cast<float>(static_cast<double>(f.beta[c]) - mean * a);
  f.saved[2 * f.channels + c] = static_cast<float>(mean);
  f.saved[3 * f.channels + c] = static_cast<float>(inverse);
}

/// Constants and running values of a batch; `count` values a channel.
__device__ __forceinline__ void write_batch(const Finalise& f, int c, double mean, double variance,
                                            double count) {
  write_constants(f, c, mean, variance);
  const double momentum = static_cast<double>(f.momentum);
  f.running_mean[c] =
      static_cast<float>((1 - momentum) * static_cast<double>(f.running_mean[c]) + momentum * mean);
  f.running_var[c] = static_cast<float>((1 - momentum) * static_cast<double>(f.running_var[c]) +
                                        momentum * variance * (count / (count - 1)));
}

/// Sums about 0, which add up over the ranks. In double what cancels in the variance then is far below the values' own rounding.
__device__ __forceinline__ void write_totals(double* totals, int channels, int c, double sum, double squares,
                                             std::int64_t rows) {
  totals[c] = sum;
  totals[channels + c] = squares;
  if (c == 0) totals[2 * channels] = static_cast<double>(rows);
}

__global__ __launch_bounds__(kMergeThreads) void finalise_kernel(const float* __restrict__ partials,
                                                                 std::int64_t rows, RowCut cut, Finalise f) {
  QCF_SHARED(double, shared, kMergeThreads);
  const int c =
      static_cast<int>(blockIdx.x) * kMergeChannels + static_cast<int>(threadIdx.x) % kMergeChannels;
  const int lane = static_cast<int>(threadIdx.x) / kMergeChannels;
  const bool active = c < f.channels;
  const double first = active ? static_cast<double>(partials[c]) : 0.0;
  double sum = 0, squares = 0;
  if (active) {
    for (int group = lane; group < cut.groups; group += kMergeLanes) {
      const float* const pair = partials + static_cast<std::int64_t>(group) * 2 * f.channels + c;
      const std::int64_t begin = group * cut.rows_per_group;
      const double n = static_cast<double>(min(cut.rows_per_group, rows - begin));
      const double d = static_cast<double>(pair[0]) - first;
      sum += n * d;
      squares += static_cast<double>(pair[f.channels]) + n * d * d;
    }
  }
  sum = merge_lanes(sum, shared);
  squares = merge_lanes(squares, shared);
  if (!active || lane != 0) return;
  const double count = static_cast<double>(rows);
  if (f.totals != nullptr) {
    write_totals(f.totals, f.channels, c, fma(count, first, sum), squares + first * (2 * sum + count * first),
                 rows);
    return;
  }
  const double mean = first + sum / count;
  double variance = (squares - sum * sum / count) / count;
  if (variance < 0) variance = 0;  // a constant channel, rounded; a NaN passes through and is seen
  write_batch(f, c, mean, variance, count);
}

__global__ __launch_bounds__(kRowThreads) void from_sums_kernel(const float* __restrict__ sums,
                                                                std::int64_t rows, Finalise f) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= f.channels) return;
  if (f.totals != nullptr) {
    write_totals(f.totals, f.channels, c, static_cast<double>(sums[c]),
                 static_cast<double>(sums[f.channels + c]), rows);
    return;
  }
  const double count = static_cast<double>(rows);
  const double mean = static_cast<double>(sums[c]) / count;
  double variance = static_cast<double>(sums[f.channels + c]) / count - mean * mean;
  if (variance < 0) variance = 0;  // as above
  write_batch(f, c, mean, variance, count);
}

__global__ __launch_bounds__(kRowThreads) void from_totals_kernel(const double* __restrict__ totals,
                                                                  Finalise f) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= f.channels) return;
  const double count = totals[2 * f.channels];
  const double mean = totals[c] / count;
  double variance = (totals[f.channels + c] - totals[c] * mean) / count;
  if (variance < 0) variance = 0;  // as above
  write_batch(f, c, mean, variance, count);
}

__global__ __launch_bounds__(kRowThreads) void from_running_kernel(Finalise f) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c < f.channels) {
    write_constants(f, c, static_cast<double>(f.running_mean[c]), static_cast<double>(f.running_var[c]));
  }
}

Finalise finalise_arguments(int channels, const BatchNormParameters& p, float* saved, const char* function) {
  require_call(channels > 0, function, "the number of channels must be positive");
  check_pointer(p.gamma, function, "gamma");
  check_pointer(p.beta, function, "beta");
  check_pointer(p.running_mean, function, "running_mean");
  check_pointer(p.running_var, function, "running_var");
  check_pointer(saved, function, "saved");
  return {p.gamma, p.beta, p.running_mean, p.running_var, saved, channels, p.eps, p.momentum, nullptr};
}

Finalise totals_arguments(const PointwiseShape& shape, double* totals, const char* function) {
  require_call(shape.rows >= 1 && shape.channels > 0, function, "rows and channels must be positive");
  check_pointer(totals, function, "totals");
  Finalise arguments{};
  arguments.channels = shape.channels;
  arguments.totals = totals;
  return arguments;
}

void merge_partials(const PointwiseShape& shape, const void* partials, const Finalise& arguments,
                    const char* function, cudaStream_t stream) {
  check_pointer(partials, function, "partials");
  const RowCut cut = cut_rows(shape.type, shape.rows, shape.channels, RowPurpose::kSums);
  check_launch(
      qcface::cuda::launch(finalise_kernel, dim3(static_cast<unsigned>(merge_blocks(shape.channels))),
                           dim3(kMergeThreads), 0, stream, static_cast<const float*>(partials), shape.rows,
                           cut, arguments),
      function);
}

unsigned blocks_of(int channels) { return static_cast<unsigned>((channels + kRowThreads - 1) / kRowThreads); }

void take_sums(const PointwiseShape& shape, const float* sums, const Finalise& arguments,
               const char* function, cudaStream_t stream) {
  check_pointer(sums, function, "sums");
  check_launch(qcface::cuda::launch(from_sums_kernel, dim3(blocks_of(shape.channels)), dim3(kRowThreads), 0,
                                    stream, sums, shape.rows, arguments),
               function);
}

}  // namespace

std::size_t statistics_workspace_bytes(const PointwiseShape& shape) {
  const RowCut cut = cut_rows(shape.type, shape.rows, shape.channels, RowPurpose::kSums);
  return std::size_t{2} * static_cast<std::size_t>(cut.groups) * static_cast<std::size_t>(shape.channels) *
         sizeof(float);
}

void batch_norm_statistics(const PointwiseShape& shape, const void* x, void* partials, cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_statistics";
  require_call(shape.rows >= 0 && shape.channels > 0, kName, "rows and channels must be positive");
  if (shape.rows == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(partials, kName, "partials");
  const RowCut cut = cut_rows(shape.type, shape.rows, shape.channels, RowPurpose::kSums);
  const dim3 grid(static_cast<unsigned>(cut.groups), static_cast<unsigned>(cut.channel_tiles));
  with_type_and_vector(shape.type, cut.vector, kName, [&](auto value, auto vector) {
    using T = decltype(value);
    check_launch(qcface::cuda::launch(statistics_kernel<T, decltype(vector)::value>, grid, dim3(kRowThreads),
                                      0, stream, static_cast<const T*>(x), shape.rows, shape.channels, cut,
                                      static_cast<float*>(partials)),
                 kName);
  });
}

void batch_norm_finalise(const PointwiseShape& shape, const void* partials,
                         const BatchNormParameters& parameters, float* saved, cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_finalise";
  require_call(shape.rows >= 2, kName,
               "batch statistics need 2 values a channel or more; use a larger batch");
  merge_partials(shape, partials, finalise_arguments(shape.channels, parameters, saved, kName), kName,
                 stream);
}

void batch_norm_from_sums(const PointwiseShape& shape, const float* sums,
                          const BatchNormParameters& parameters, float* saved, cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_from_sums";
  require_call(shape.rows >= 2, kName,
               "batch statistics need 2 values a channel or more; use a larger batch");
  take_sums(shape, sums, finalise_arguments(shape.channels, parameters, saved, kName), kName, stream);
}

void batch_norm_totals(const PointwiseShape& shape, const void* partials, double* totals,
                       cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_totals";
  merge_partials(shape, partials, totals_arguments(shape, totals, kName), kName, stream);
}

void batch_norm_totals_from_sums(const PointwiseShape& shape, const float* sums, double* totals,
                                 cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_totals_from_sums";
  take_sums(shape, sums, totals_arguments(shape, totals, kName), kName, stream);
}

void batch_norm_from_totals(int channels, const double* totals, const BatchNormParameters& parameters,
                            float* saved, cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_from_totals";
  const Finalise arguments = finalise_arguments(channels, parameters, saved, kName);
  check_pointer(totals, kName, "totals");
  check_launch(qcface::cuda::launch(from_totals_kernel, dim3(blocks_of(channels)), dim3(kRowThreads), 0,
                                    stream, totals, arguments),
               kName);
}

void batch_norm_from_running(int channels, const BatchNormParameters& parameters, float* saved,
                             cudaStream_t stream) {
  constexpr const char* kName = "batch_norm_from_running";
  const Finalise arguments = finalise_arguments(channels, parameters, saved, kName);
  check_launch(qcface::cuda::launch(from_running_kernel, dim3(blocks_of(channels)), dim3(kRowThreads), 0,
                                    stream, arguments),
               kName);
}

}  // namespace qcface::nn::cuda
