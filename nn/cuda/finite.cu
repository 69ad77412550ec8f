// The search for NaN and infinity, and the dynamic loss scale.
//
// Bytes moved: check_finite reads the array once. Where everything is finite, no atomic operation is
// executed; else each warp gives its smallest place to one integer minimum, whose result does not depend on
// the order.
#include "nn/cuda/finite.h"

#include "nn/cuda/flat.cuh"

namespace qcface::nn::cuda {
namespace {

// All exponent bits set. Tested as integers, so that no floating-point option can remove the test.
__device__ __forceinline__ bool is_bad(float v) { return (__float_as_uint(v) & 0x7F800000u) == 0x7F800000u; }
__device__ __forceinline__ bool is_bad(__half v) { return (__half_as_ushort(v) & 0x7C00u) == 0x7C00u; }
__device__ __forceinline__ bool is_bad(__nv_bfloat16 v) {
  return (__bfloat16_as_ushort(v) & 0x7F80u) == 0x7F80u;
}

template <class T>
__global__ __launch_bounds__(kFlatThreads) void finite_kernel(std::int64_t count,
                                                              const T* __restrict__ values,
                                                              std::uint32_t array, FiniteRecord* record) {
  constexpr int kWide = kWideVector<T>;
  const std::int64_t vectors = count / kWide;
  unsigned long long smallest = kAllFinite;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    const auto pack = load_pack<T, kWide>(values + i * kWide);
    QCF_UNROLL
    for (int k = kWide - 1; k >= 0; --k) {
      const auto at = static_cast<unsigned long long>(i * kWide + k);
      if (is_bad(pack.values[k])) smallest = min(smallest, at);
    }
  }
  const std::int64_t rest = vectors * kWide + flat_thread();
  if (rest < count && is_bad(values[rest])) smallest = min(smallest, static_cast<unsigned long long>(rest));
  if (!__any_sync(0xFFFFFFFFu, smallest != kAllFinite)) return;
  for (int step = 16; step > 0; step /= 2)
    smallest = min(smallest, __shfl_xor_sync(0xFFFFFFFFu, smallest, step));
  if (threadIdx.x % 32 == 0) atomicMin(&record->key, static_cast<unsigned long long>(array) << 48 | smallest);
}

__global__ void loss_scale_kernel(const FiniteRecord* record, LossScaleRecord* state, float* applied) {
  LossScaleRecord s = *state;
  if (applied) *applied = s.scale;
  if (record->key != kAllFinite) {
    s.scale = s.scale > 2 ? s.scale / 2 : 1.0f;
    s.skip = 1;
    s.good_steps = 0;
    ++s.skipped;
  } else {
    s.skip = 0;
    if (++s.good_steps >= kLossScaleInterval) {
      s.good_steps = 0;
      s.scale = s.scale * 2 > kLargestLossScale ? kLargestLossScale : s.scale * 2;
    }
  }
  *state = s;
}

}  // namespace

void reset_finite_record(FiniteRecord* record, cudaStream_t stream) {
  constexpr const char* kName = "reset_finite_record";
  require_call(record != nullptr, kName, "record is null");
  check_launch(cudaMemsetAsync(record, 0xFF, sizeof(FiniteRecord), stream), kName);
}

void check_finite(StorageType type, std::int64_t count, const void* values, std::uint32_t array,
                  FiniteRecord* record, cudaStream_t stream) {
  constexpr const char* kName = "check_finite";
  require_call(count >= 0 && count < std::int64_t{1} << 48, kName, "count must be in [0, 2^48)");
  require_call(array < 65535, kName, "the number of the array must be below 65535");
  require_call(record != nullptr, kName, "record is null");
  if (count == 0) return;
  check_pointer(values, kName, "values");
  with_type(type, kName, [&](auto value) {
    using T = decltype(value);
    // A few turns a thread: most of the time goes into reading.
    check_launch(qcface::cuda::launch(finite_kernel<T>, flat_grid_of_values(count, 4096), dim3(kFlatThreads),
                                      0, stream, count, static_cast<const T*>(values), array, record),
                 kName);
  });
}

void update_loss_scale(const FiniteRecord* record, LossScaleRecord* scale, float* applied,
                       cudaStream_t stream) {
  constexpr const char* kName = "update_loss_scale";
  require_call(record != nullptr && scale != nullptr, kName, "record and scale are needed");
  check_launch(qcface::cuda::launch(loss_scale_kernel, dim3(1), dim3(1), 0, stream, record, scale, applied),
               kName);
}

}  // namespace qcface::nn::cuda
