// 8-bit RGB pixels to normalised NHWC values, the first step of the network on the device.
#pragma once

#include <array>
#include <span>

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

inline constexpr std::size_t kNormalisationTable = 3 * 256;

/// Host. table[c * 256 + v] = (v / 255 - mean[c]) / std[c], computed in double and rounded once, as the CPU's
/// loader does (data-formats.md section 11). Throws for a std that is not positive and finite.
void fill_normalisation_table(const std::array<double, 3>& mean, const std::array<double, 3>& std,
                              std::span<float> table);

/// pixels [count, 3] uint8 interleaved RGB (count = N * H * W) -> y [count, channels] of `type`, channels >=
/// 3; channels 3 and up are 0. `table`: kNormalisationTable floats on the device. fp32 bits equal the CPU
/// loader's.
void images_to_nhwc(StorageType type, std::int64_t count, int channels, const std::uint8_t* pixels,
                    const float* table, void* y, cudaStream_t stream);

}  // namespace qcface::nn::cuda
