// The optimiser's step on fp32 weights in device memory, with the 16-bit copy refreshed in the same pass: the rule of
// kernels/device/update.h with the gradient divided by the loss scale.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"
#include "nn/optimiser.h"

namespace qcface::nn::cuda {

/// `call.working`, if given, has values of copy_type. Reads 12 and writes 8 bytes a weight, and 2 (4) more for the copy.
void update_weights(const OptimiserSettings& settings, const UpdateCall& call, StorageType copy_type,
                    cudaStream_t stream);

}  // namespace qcface::nn::cuda
