// 8-bit RGB pixels to normalised NHWC values, the first step of the network on the device.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// pixels [count, 3] uint8 interleaved RGB (count = N * H * W) -> y [count, channels] of `type`, channels >=
/// 3; channels 3 and up are 0. `table` [3, 256]: value of each pixel in each channel.
void images_to_nhwc(StorageType type, std::int64_t count, int channels, const std::uint8_t* pixels,
                    const float* table, void* y, cudaStream_t stream);

}  // namespace qcface::nn::cuda
