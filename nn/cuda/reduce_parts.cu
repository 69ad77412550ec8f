// Arrays of all ranks, gathered one behind the other, reduced in the order of the ranks: one thread an element.
//
// Bytes moved: reads (ranks * count) elements once, writes count.
#include "nn/cuda/reduce_parts.h"

#include "nn/cuda/check.h"
#include "nn/cuda/flat.cuh"

namespace qcface::nn::cuda {
namespace {

constexpr double kNoSum = -1e300;  // of kernels.h: the logarithm of 0

// Tested as integers, so that no floating-point option can remove the test.
__device__ __forceinline__ bool is_nan(float v) { return (__float_as_uint(v) & 0x7FFFFFFFu) > 0x7F800000u; }
__device__ __forceinline__ bool is_nan(double v) { return v != v; }
__device__ __forceinline__ bool is_nan(std::int32_t) { return false; }
__device__ __forceinline__ bool is_nan(std::int64_t) { return false; }

template <class T>
__global__ __launch_bounds__(kFlatThreads) void sum_kernel(int ranks, std::int64_t count, const T* parts,
                                                           T* out) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads()) {
    T sum = parts[i];
    for (int r = 1; r < ranks; ++r) sum = sum + parts[r * count + i];
    out[i] = sum;
  }
}

template <class T>
__global__ __launch_bounds__(kFlatThreads) void max_kernel(int ranks, std::int64_t count, const T* parts,
                                                           T* out) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads()) {
    T highest = parts[i];
    for (int r = 1; r < ranks; ++r) {
      const T value = parts[r * count + i];
      if (!is_nan(highest) && (is_nan(value) || value > highest)) highest = value;
    }
    out[i] = highest;
  }
}

// A function of T alone, so that all reductions are launched alike.
template <class T>
__global__ __launch_bounds__(kFlatThreads) void log_sum_exp_kernel(int ranks, std::int64_t count,
                                                                   const T* parts, T* out) {
  for (std::int64_t i = flat_thread(); i < count; i += flat_threads()) {
    double highest = kNoSum;
    for (int r = 0; r < ranks; ++r) highest = max(highest, parts[r * count + i]);
    double sum = 0;
    for (int r = 0; r < ranks; ++r) sum += exp(parts[r * count + i] - highest);
    out[i] = highest == kNoSum ? kNoSum : highest + log(sum);
  }
}

template <class T>
void launch_reduction(Reduce reduce, int ranks, std::int64_t count, const void* parts, void* out,
                      cudaStream_t stream) {
  constexpr const char* kName = "reduce_parts";
  const auto start = [&](auto* kernel) {
    check_launch(qcface::cuda::launch(kernel, flat_grid(count), dim3(kFlatThreads), 0, stream, ranks, count,
                                      static_cast<const T*>(parts), static_cast<T*>(out)),
                 kName);
  };
  if (reduce == Reduce::kSum) return start(sum_kernel<T>);
  if (reduce == Reduce::kMax) return start(max_kernel<T>);
  if constexpr (std::is_same_v<T, double>) {
    start(log_sum_exp_kernel<T>);
  } else {
    fail_call(kName, "log-sum-exp is of f64 alone");
  }
}

}  // namespace

void reduce_parts(ElementType type, Reduce reduce, int ranks, std::int64_t count, const void* parts,
                  void* out, cudaStream_t stream) {
  constexpr const char* kName = "reduce_parts";
  require_call(ranks >= 1 && count >= 0, kName, "ranks must be at least 1, count at least 0");
  if (count == 0) return;
  require_call(parts != nullptr && out != nullptr, kName, "parts and out are needed");
  switch (type) {
    case ElementType::kF32:
      return launch_reduction<float>(reduce, ranks, count, parts, out, stream);
    case ElementType::kF64:
      return launch_reduction<double>(reduce, ranks, count, parts, out, stream);
    case ElementType::kI32:
      return launch_reduction<std::int32_t>(reduce, ranks, count, parts, out, stream);
    case ElementType::kI64:
      return launch_reduction<std::int64_t>(reduce, ranks, count, parts, out, stream);
    case ElementType::kBytes:
      fail_call(kName, "bytes cannot be reduced");
  }
}

}  // namespace qcface::nn::cuda
