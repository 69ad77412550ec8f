// Search for NaN and infinity on the device without a host synchronisation, and the dynamic loss scale that
// reads its result.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"
#include "nn/step_control.h"

namespace qcface::nn::cuda {

/// Sets the record to kAllFinite.
void reset_finite_record(FiniteRecord* record, cudaStream_t stream);
/// Reads the array once. count < 2^48, array < 65535; the order of the calls does not matter.
void check_finite(StorageType type, std::int64_t count, const void* values, std::uint32_t array,
                  FiniteRecord* record, cudaStream_t stream);

/// After the backward pass, before update_weights: overflow (a record that is not kAllFinite) halves the scale,
/// not below 1, and sets skip; else skip is cleared and the scale doubles, up to kLargestLossScale, after
/// kLossScaleInterval good steps in a row. applied (optional): receives the scale that this step's gradients
/// carry, the one before the update; it is what update_weights must divide by.
void update_loss_scale(const FiniteRecord* record, LossScaleRecord* scale, float* applied,
                       cudaStream_t stream);

}  // namespace qcface::nn::cuda
