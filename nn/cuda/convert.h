// Change of layout and of type, and the addition of two values.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// y [n, pixels, padded] of `type` from canonical fp32 x [n, channels, pixels]; channels from `channels` on
/// are 0. padded >= channels.
void nchw_to_nhwc(StorageType type, std::int64_t n, std::int64_t pixels, int channels, int padded,
                  const float* x, void* y, cudaStream_t stream);
/// Canonical fp32 y [n, channels, pixels] from x [n, pixels, padded] of `type`; padding is left out.
void nhwc_to_nchw(StorageType type, std::int64_t n, std::int64_t pixels, int channels, int padded,
                  const void* x, float* y, cudaStream_t stream);

/// y = x, rounded to nearest even; the arrays must not overlap.
void cast(std::int64_t count, StorageType from, const void* x, StorageType to, void* y, cudaStream_t stream);

/// target += source (fp32 sum, rounded once).
void add(StorageType type, std::int64_t count, void* target, const void* source, cudaStream_t stream);

}  // namespace qcface::nn::cuda
