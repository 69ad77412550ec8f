// One pass of stochastic gradient descent over a flat array.
//
// Bytes moved a weight: reads weight, gradient and velocity (12), writes weight and velocity (8), and the
// copy (2, or 4).
#include "nn/cuda/sgd.h"

#include "kernels/device/update.h"
#include "nn/cuda/flat.cuh"

namespace qcface::nn::cuda {
namespace {

// kCopy: refresh the copy of type C.
template <class C, bool kCopy>
__global__ __launch_bounds__(kFlatThreads) void sgd_kernel(SgdUpdate u) {
  if (u.skip && *u.skip != 0) return;
  // A loss scale is a power of two: dividing by it is exact either way.
  const float inverse_scale = u.loss_scale ? 1.0f / *u.loss_scale : 1.0f;
  const UpdateRule rule{*u.lr, u.momentum, u.weight_decay};
  C* const copy = static_cast<C*>(u.copy);
  const std::int64_t vectors = u.count / kFlatVector;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    const std::int64_t at = i * kFlatVector;
    float weights[kFlatVector], gradients[kFlatVector], velocities[kFlatVector] = {};
    load_eight(weights, u.weights + at);
    load_eight(gradients, u.gradients + at);
    if (!u.first) load_eight(velocities, u.velocity + at);
    QCF_UNROLL
    for (int k = 0; k < kFlatVector; ++k) rule.apply(gradients[k] * inverse_scale, weights[k], velocities[k]);
    store_eight(u.weights + at, weights);
    store_eight(u.velocity + at, velocities);
    if constexpr (kCopy) store_eight(copy + at, weights);
  }
  const std::int64_t rest = vectors * kFlatVector + flat_thread();
  if (rest < u.count) {
    float weight = u.weights[rest], velocity = u.first ? 0.0f : u.velocity[rest];
    rule.apply(u.gradients[rest] * inverse_scale, weight, velocity);
    u.weights[rest] = weight;
    u.velocity[rest] = velocity;
    if constexpr (kCopy) copy[rest] = qcface::cuda::from_float<C>(weight);
  }
}

}  // namespace

void sgd_update(const SgdUpdate& update, cudaStream_t stream) {
  constexpr const char* kName = "sgd_update";
  require_call(update.count >= 0, kName, "count must not be negative");
  if (update.count == 0) return;
  check_pointer(update.weights, kName, "weights");
  check_pointer(update.gradients, kName, "gradients");
  check_pointer(update.velocity, kName, "velocity");
  check_optional(update.copy, kName, "copy");
  require_call(update.lr != nullptr, kName, "lr is null; it is read from device memory");
  with_type(update.copy_type, kName, [&](auto value) {
    using C = decltype(value);
    auto* kernel = update.copy ? sgd_kernel<C, true> : sgd_kernel<C, false>;
    check_launch(qcface::cuda::launch(kernel, flat_grid_of_values(update.count), dim3(kFlatThreads), 0,
                                      stream, update),
                 kName);
  });
}

}  // namespace qcface::nn::cuda
