// The optimiser's step: the rule of kernels/device/update.h on fp32 arrays. Weight decay reaches every parameter, biases,
// batch-norm scales and class weights included, as torch.optim.SGD's does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace qcface::nn {

/// Stays the same over a run. SGD with momentum keeps one slot a weight, its velocity.
struct OptimiserSettings {
  float momentum = 0.9f;
  float weight_decay = 5e-4f;
};

/// Arrays of `count` values each, which do not overlap, and scalars; all in the backend's memory.
struct UpdateCall {
  std::size_t count = 0;
  float* weights = nullptr;
  const float* gradients = nullptr;
  float* slot = nullptr;                // 0 before the first step
  void* working = nullptr;              // optional: the copy that layers compute with, refreshed
  const float* rate = nullptr;          // learning rate, read when the step runs
  const float* loss_scale = nullptr;    // that the gradients carry, a power of two; null: 1
  const std::uint32_t* skip = nullptr;  // not 0: nothing is changed. null: never skip
};

/// In place on `weights` and `slot` in host memory; the three spans have equal lengths and do not overlap (Error
/// otherwise). Reads 12 and writes 8 bytes an element; the bits do not depend on `threads` (0: as many as
/// OpenMP would use).
void update_weights(std::span<float> weights, std::span<const float> gradients, std::span<float> slot,
                    float rate, const OptimiserSettings& settings, int threads = 0);

/// True if no value is NaN or infinite.
bool all_finite(std::span<const float> values, int threads = 0);

}  // namespace qcface::nn
