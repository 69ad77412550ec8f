// One pass of the optimiser over a flat array.
//
// Bytes moved a weight: reads weight, gradient and slot (12), writes weight and slot (8), and the copy (2, or 4).
#include "nn/cuda/update.h"

#include "kernels/device/update.h"
#include "nn/cuda/flat.cuh"

namespace qcface::nn::cuda {
namespace {

// kCopy: refresh the copy of type C.
template <class C, bool kCopy>
__global__ __launch_bounds__(kFlatThreads) void update_kernel(OptimiserSettings settings, UpdateCall u) {
  if (u.skip && *u.skip != 0) return;
  // A loss scale is a power of two: dividing by it is exact either way.
  const float inverse_scale = u.loss_scale ? 1.0f / *u.loss_scale : 1.0f;
  const UpdateRule rule{*u.rate, settings.momentum, settings.weight_decay};
  C* const copy = static_cast<C*>(u.working);
  const auto count = static_cast<std::int64_t>(u.count);
  const std::int64_t vectors = count / kFlatVector;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    const std::int64_t at = i * kFlatVector;
    float weights[kFlatVector], gradients[kFlatVector], slots[kFlatVector];
    load_eight(weights, u.weights + at);
    load_eight(gradients, u.gradients + at);
    load_eight(slots, u.slot + at);
    QCF_UNROLL
    for (int k = 0; k < kFlatVector; ++k) rule.apply(gradients[k] * inverse_scale, weights[k], slots[k]);
    store_eight(u.weights + at, weights);
    store_eight(u.slot + at, slots);
    if constexpr (kCopy) store_eight(copy + at, weights);
  }
  const std::int64_t rest = vectors * kFlatVector + flat_thread();
  if (rest < count) {
    float weight = u.weights[rest], slot = u.slot[rest];
    rule.apply(u.gradients[rest] * inverse_scale, weight, slot);
    u.weights[rest] = weight;
    u.slot[rest] = slot;
    if constexpr (kCopy) copy[rest] = qcface::cuda::from_float<C>(weight);
  }
}

}  // namespace

void update_weights(const OptimiserSettings& settings, const UpdateCall& call, StorageType copy_type,
                    cudaStream_t stream) {
  constexpr const char* kName = "update_weights";
  require_call(call.count < std::size_t{1} << 48, kName, "the count is out of range");
  if (call.count == 0) return;
  check_pointer(call.weights, kName, "weights");
  check_pointer(call.gradients, kName, "gradients");
  check_pointer(call.slot, kName, "slot");
  check_optional(call.working, kName, "working");
  require_call(call.rate != nullptr, kName, "rate is null; it is read from device memory");
  with_type(copy_type, kName, [&](auto value) {
    using C = decltype(value);
    auto* kernel = call.working ? update_kernel<C, true> : update_kernel<C, false>;
    check_launch(qcface::cuda::launch(kernel, flat_grid_of_values(static_cast<std::int64_t>(call.count)),
                                      dim3(kFlatThreads), 0, stream, settings, call),
                 kName);
  });
}

}  // namespace qcface::nn::cuda
