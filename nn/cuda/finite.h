// Search for NaN and infinity on the device without a host synchronisation, and the dynamic loss scale that
// reads its result.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// Device record. key = array << 48 | index of the smallest (array, index) that is not finite; all ones:
/// none.
struct FiniteRecord {
  unsigned long long key = ~0ull;
};
inline constexpr unsigned long long kAllFinite = ~0ull;
constexpr std::uint32_t finite_array(unsigned long long key) { return static_cast<std::uint32_t>(key >> 48); }
constexpr std::int64_t finite_index(unsigned long long key) {
  return static_cast<std::int64_t>(key & 0xFFFFFFFFFFFFull);
}

/// Sets the record to kAllFinite.
void reset_finite_record(FiniteRecord* record, cudaStream_t stream);
/// Reads the array once. count < 2^48, array < 65535; the order of the calls does not matter.
void check_finite(StorageType type, std::int64_t count, const void* values, std::uint32_t array,
                  FiniteRecord* record, cudaStream_t stream);

/// Device record of the loss scale. SgdUpdate reads `skip` and the scale that update_loss_scale leaves in
/// `applied`.
struct LossScaleRecord {
  float scale = 65536.0f;
  std::uint32_t skip = 0;
  std::uint32_t good_steps = 0;  // since the last change
  std::uint32_t skipped = 0;     // steps left out in all
};
inline constexpr std::uint32_t kLossScaleInterval = 2000;
inline constexpr float kLargestLossScale = 16777216.0f;  // 2^24

/// After the backward pass, before sgd_update: overflow (a record that is not kAllFinite) halves the scale,
/// not below 1, and sets skip; else skip is cleared and the scale doubles, up to kLargestLossScale, after
/// kLossScaleInterval good steps in a row. applied (optional): receives the scale that this step's gradients
/// carry, the one before the update; it is what sgd_update must divide by.
void update_loss_scale(const FiniteRecord* record, LossScaleRecord* scale, float* applied,
                       cudaStream_t stream);

}  // namespace qcface::nn::cuda
