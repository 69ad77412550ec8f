// Values of a storage type as fp32 and back on the host, for the plain bodies of emulated builds.
#pragma once

#include <vector>

#include "kernels/device/types.cuh"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

inline std::vector<float> widen_values(StorageType type, const void* values, std::size_t count) {
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (type == StorageType::kF32) out[i] = static_cast<const float*>(values)[i];
    if (type == StorageType::kBf16)
      out[i] = qcface::cuda::to_float(static_cast<const __nv_bfloat16*>(values)[i]);
    if (type == StorageType::kF16) out[i] = qcface::cuda::to_float(static_cast<const __half*>(values)[i]);
  }
  return out;
}

/// values[at .. at + count) = from, rounded.
inline void store_values(StorageType type, void* values, std::size_t at, const float* from,
                         std::size_t count) {
  using qcface::cuda::from_float;
  for (std::size_t i = 0; i < count; ++i) {
    if (type == StorageType::kF32) static_cast<float*>(values)[at + i] = from[i];
    if (type == StorageType::kBf16)
      static_cast<__nv_bfloat16*>(values)[at + i] = from_float<__nv_bfloat16>(from[i]);
    if (type == StorageType::kF16) static_cast<__half*>(values)[at + i] = from_float<__half>(from[i]);
  }
}

}  // namespace qcface::nn::cuda
