// Bias of the fully connected layer and its gradient.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// y [rows, channels] = x + bias [channels]; y may be x. The types of x and y may differ (a product that
/// leaves fp32).
void bias_add(StorageType x_type, StorageType y_type, std::int64_t rows, int channels, const void* x,
              const float* bias, void* y, cudaStream_t stream);

/// sums [channels] = sum of x [rows, channels] over the rows, overwritten; 0 for no rows.
std::size_t column_sums_workspace_bytes(StorageType type, std::int64_t rows, int channels);
void column_sums(StorageType type, std::int64_t rows, int channels, const void* x, float* sums,
                 void* workspace, cudaStream_t stream);

}  // namespace qcface::nn::cuda
