// Changes of layout and type, and the addition of values.
//
// Bytes moved: each reads its inputs once and writes its output once; add: 3 count sizeof(T).
#include "nn/cuda/convert.h"

#include "nn/cuda/flat.cuh"
#include "nn/cuda/transpose.cuh"

namespace qcface::nn::cuda {
namespace {

template <class From, class To>
__global__ __launch_bounds__(kFlatThreads) void cast_kernel(std::int64_t count, const From* __restrict__ x,
                                                            To* __restrict__ y) {
  const std::int64_t vectors = count / kFlatVector;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    float values[kFlatVector];
    load_eight(values, x + i * kFlatVector);
    store_eight(y + i * kFlatVector, values);
  }
  const std::int64_t rest = vectors * kFlatVector + flat_thread();
  if (rest < count) y[rest] = qcface::cuda::from_float<To>(to_float(x[rest]));
}

template <class T>
__global__ __launch_bounds__(kFlatThreads) void add_kernel(std::int64_t count, T* target, const T* source) {
  const std::int64_t vectors = count / kFlatVector;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    float a[kFlatVector], b[kFlatVector];
    load_eight(a, target + i * kFlatVector);
    load_eight(b, source + i * kFlatVector);
    QCF_UNROLL
    for (int k = 0; k < kFlatVector; ++k) a[k] += b[k];
    store_eight(target + i * kFlatVector, a);
  }
  const std::int64_t rest = vectors * kFlatVector + flat_thread();
  if (rest < count)
    target[rest] = qcface::cuda::from_float<T>(to_float(target[rest]) + to_float(source[rest]));
}

TransposeArguments arguments_of(std::int64_t n, std::int64_t pixels, int channels, int padded,
                                const char* function) {
  require_call(n >= 0 && pixels >= 0 && channels > 0, function, "sizes must not be negative");
  require_call(padded >= channels, function, "a padded row cannot have fewer channels than the value");
  return {n, pixels, channels, padded, nullptr, 1.0f};
}

}  // namespace

void nchw_to_nhwc(StorageType type, std::int64_t n, std::int64_t pixels, int channels, int padded,
                  const float* x, void* y, cudaStream_t stream) {
  constexpr const char* kName = "nchw_to_nhwc";
  const TransposeArguments t = arguments_of(n, pixels, channels, padded, kName);
  if (n == 0 || pixels == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(y, kName, "y");
  with_type(type, kName,
            [&](auto value) { launch_from_planes<float, decltype(value)>(x, y, t, stream, kName); });
}

void nhwc_to_nchw(StorageType type, std::int64_t n, std::int64_t pixels, int channels, int padded,
                  const void* x, float* y, cudaStream_t stream) {
  constexpr const char* kName = "nhwc_to_nchw";
  const TransposeArguments t = arguments_of(n, pixels, channels, padded, kName);
  if (n == 0 || pixels == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(y, kName, "y");
  with_type(type, kName,
            [&](auto value) { launch_to_planes<decltype(value), float>(x, y, t, stream, kName); });
}

void cast(std::int64_t count, StorageType from, const void* x, StorageType to, void* y, cudaStream_t stream) {
  constexpr const char* kName = "cast";
  require_call(count >= 0, kName, "count must not be negative");
  if (count == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(y, kName, "y");
  with_type(from, kName, [&](auto source) {
    with_type(to, kName, [&](auto target) {
      using From = decltype(source);
      using To = decltype(target);
      check_launch(qcface::cuda::launch(cast_kernel<From, To>, flat_grid_of_values(count), dim3(kFlatThreads),
                                        0, stream, count, static_cast<const From*>(x), static_cast<To*>(y)),
                   kName);
    });
  });
}

void add(StorageType type, std::int64_t count, void* target, const void* source, cudaStream_t stream) {
  constexpr const char* kName = "add";
  require_call(count >= 0, kName, "count must not be negative");
  if (count == 0) return;
  check_pointer(target, kName, "target");
  check_pointer(source, kName, "source");
  with_type(type, kName, [&](auto value) {
    using T = decltype(value);
    check_launch(qcface::cuda::launch(add_kernel<T>, flat_grid_of_values(count), dim3(kFlatThreads), 0,
                                      stream, count, static_cast<T*>(target), static_cast<const T*>(source)),
                 kName);
  });
}

}  // namespace qcface::nn::cuda
