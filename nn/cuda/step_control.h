// Small kernels that steer a training step from device memory, so that the host need not wait for anything.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/finite.h"

namespace qcface::nn::cuda {

/// y [count] = x * *factor; factor null: y = x. y may be x. Reads and writes 4 bytes a value.
void scale_values(std::int64_t count, const float* x, const float* factor, float* y, cudaStream_t stream);

/// Sets *skip to 1 if the record holds a value that is not finite, and otherwise leaves it as it is: once bad, no later
/// step changes a weight.
void skip_if_not_finite(const FiniteRecord* record, std::uint32_t* skip, cudaStream_t stream);

}  // namespace qcface::nn::cuda
