// Bias of the fully connected layer and its gradient, a sum over rows in two stages.
//
// Bytes moved: bias_add reads x once and writes y once; column_sums reads x once. The partial sums stay in
// L2.
#include "nn/cuda/bias.h"

#include "nn/cuda/flat.cuh"
#include "nn/cuda/rows.cuh"

namespace qcface::nn::cuda {
namespace {

template <class X, class Y>
__global__ __launch_bounds__(kFlatThreads) void bias_wide_kernel(std::int64_t vectors, int channels,
                                                                 const X* x, const float* __restrict__ bias,
                                                                 Y* y) {
  const int row_vectors = channels / kFlatVector;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    float values[kFlatVector], added[kFlatVector];
    load_eight(values, x + i * kFlatVector);
    load_eight(added, bias + i % row_vectors * kFlatVector);
    QCF_UNROLL
    for (int k = 0; k < kFlatVector; ++k) values[k] += added[k];
    store_eight(y + i * kFlatVector, values);
  }
}

template <class X, class Y>
__global__ __launch_bounds__(kFlatThreads) void bias_plain_kernel(std::int64_t count, int channels,
                                                                  const X* x, const float* __restrict__ bias,
                                                                  Y* y) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads()) {
    y[i] = qcface::cuda::from_float<Y>(to_float(x[i]) + bias[i % channels]);
  }
}

template <class T, int V>
__global__ __launch_bounds__(kRowThreads) void column_kernel(const T* __restrict__ x, std::int64_t rows,
                                                             int channels, RowCut cut,
                                                             float* __restrict__ partials) {
  QCF_SHARED(float, shared, kRowThreads* V);
  const RowPlace place = row_place<V>(cut, rows, channels);
  float sums[1][V];
  QCF_UNROLL
  for (int i = 0; i < V; ++i) sums[0][i] = 0;
  if (place.active) {
    for (std::int64_t row = place.first; row < place.end; row += cut.lanes_r) {
      const auto values = load_pack<T, V>(x + row * channels + place.channel);
      QCF_UNROLL
      for (int i = 0; i < V; ++i) sums[0][i] += values.get(i);
    }
  }
  block_sums<V>(sums, place, cut, channels, 1, shared, partials);
}

__global__ __launch_bounds__(kMergeThreads) void column_merge_kernel(const float* __restrict__ partials,
                                                                     int groups, int channels,
                                                                     float* __restrict__ sums) {
  QCF_SHARED(double, shared, kMergeThreads);
  const int c =
      static_cast<int>(blockIdx.x) * kMergeChannels + static_cast<int>(threadIdx.x) % kMergeChannels;
  const int lane = static_cast<int>(threadIdx.x) / kMergeChannels;
  double sum = 0;
  if (c < channels) {
    for (int group = lane; group < groups; group += kMergeLanes) {
      sum += static_cast<double>(partials[static_cast<std::int64_t>(group) * channels + c]);
    }
  }
  sum = merge_lanes(sum, shared);
  if (c < channels && lane == 0) sums[c] = static_cast<float>(sum);
}

template <class X, class Y>
cudaError_t launch_bias(std::int64_t rows, int channels, const void* x, const float* bias, void* y,
                        cudaStream_t stream) {
  const bool wide = channels % kFlatVector == 0;
  const std::int64_t items = rows * channels / (wide ? kFlatVector : 1);
  auto* kernel = wide ? bias_wide_kernel<X, Y> : bias_plain_kernel<X, Y>;
  return qcface::cuda::launch(kernel, flat_grid(items), dim3(kFlatThreads), 0, stream, items, channels,
                              static_cast<const X*>(x), bias, static_cast<Y*>(y));
}

}  // namespace

void bias_add(StorageType x_type, StorageType y_type, std::int64_t rows, int channels, const void* x,
              const float* bias, void* y, cudaStream_t stream) {
  constexpr const char* kName = "bias_add";
  require_call(rows >= 0 && channels > 0, kName, "sizes must not be negative");
  if (rows == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(bias, kName, "bias");
  check_pointer(y, kName, "y");
  require_call(x != y || x_type == y_type, kName, "y may be x only if the types are equal");
  with_type(x_type, kName, [&](auto from) {
    with_type(y_type, kName, [&](auto to) {
      check_launch(launch_bias<decltype(from), decltype(to)>(rows, channels, x, bias, y, stream), kName);
    });
  });
}

std::size_t column_sums_workspace_bytes(StorageType type, std::int64_t rows, int channels) {
  const RowCut cut = cut_rows(type, rows, channels, RowPurpose::kSums);
  return static_cast<std::size_t>(cut.groups) * static_cast<std::size_t>(channels) * sizeof(float);
}

void column_sums(StorageType type, std::int64_t rows, int channels, const void* x, float* sums,
                 void* workspace, cudaStream_t stream) {
  constexpr const char* kName = "column_sums";
  require_call(rows >= 0 && channels > 0, kName, "sizes must not be negative");
  check_pointer(sums, kName, "sums");
  const RowCut cut = cut_rows(type, rows, channels, RowPurpose::kSums);
  float* const partials = static_cast<float*>(workspace);
  if (rows > 0) {
    check_pointer(x, kName, "x");
    check_pointer(workspace, kName, "workspace");
    const dim3 grid(static_cast<unsigned>(cut.groups), static_cast<unsigned>(cut.channel_tiles));
    with_type_and_vector(type, cut.vector, kName, [&](auto value, auto vector) {
      using T = decltype(value);
      check_launch(qcface::cuda::launch(column_kernel<T, decltype(vector)::value>, grid, dim3(kRowThreads), 0,
                                        stream, static_cast<const T*>(x), rows, channels, cut, partials),
                   kName);
    });
  }
  check_launch(qcface::cuda::launch(column_merge_kernel, dim3(static_cast<unsigned>(merge_blocks(channels))),
                                    dim3(kMergeThreads), 0, stream, partials, cut.groups, channels, sums),
               kName);
}

}  // namespace qcface::nn::cuda
