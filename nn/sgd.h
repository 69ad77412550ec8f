// Stochastic gradient descent with momentum and weight decay: the rule of kernels/device/update.h on fp32 arrays. The decay
// reaches every parameter, biases, batch-norm scales and class weights included, as torch.optim.SGD's does.
#pragma once

#include <span>

namespace qcface::nn {

struct SgdStep {
  float lr = 0.1f;
  float momentum = 0.9f;
  float weight_decay = 5e-4f;
  bool first = false;  // no velocity yet: it counts as 0, whatever `velocity` holds
};

/// In place on `weights` and `velocity`; the three spans have equal lengths and do not overlap (Error
/// otherwise). Reads 12 and writes 8 bytes an element; the bits do not depend on `threads` (0: as many as
/// OpenMP would use).
void sgd_update(std::span<float> weights, std::span<const float> gradients, std::span<float> velocity,
                const SgdStep& step, int threads = 0);

/// True if no value is NaN or infinite.
bool all_finite(std::span<const float> values, int threads = 0);

}  // namespace qcface::nn
