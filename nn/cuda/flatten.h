// The step from the last image to the fully connected layer: dropout of whole planes and the change from NHWC
// to the channel-major order of iresnet.md (c * H * W + h * W + w).
#pragma once

#include "kernels/device/runtime.h"
#include "nn/backend.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// keep [n, channels]: 1 with probability 1 - drop, 0 otherwise. Equal to the CPU's mask bit for bit: word
/// (first_row + row) * channels + c of the stream (seed, kDropout, epoch, step) of core/random.h.
/// 0 <= drop < 1.
void draw_dropout_mask(std::int64_t n, int channels, double drop, const DropoutRecord* record,
                       std::uint8_t* keep, cudaStream_t stream);

/// y [n, channels * pixels] = x [n, pixels, channels] transposed, times 1 / (1 - drop) where keep is 1 and
/// times 0 where it is 0. keep null: no dropout, a plain change of layout.
void flatten(StorageType type, std::int64_t n, std::int64_t pixels, int channels, const void* x,
             const std::uint8_t* keep, double drop, void* y, cudaStream_t stream);
/// The transpose of that map: dx [n, pixels, channels] from dy [n, channels * pixels].
void flatten_backward(StorageType type, std::int64_t n, std::int64_t pixels, int channels, const void* dy,
                      const std::uint8_t* keep, double drop, void* dx, cudaStream_t stream);

/// y = scale * x without a change of layout: dropout on an NHWC value (its own backward). y may be x.
void drop_planes(StorageType type, std::int64_t n, std::int64_t pixels, int channels, const void* x,
                 const std::uint8_t* keep, double drop, void* y, cudaStream_t stream);

}  // namespace qcface::nn::cuda
