// Stochastic gradient descent on fp32 master weights in device memory, with the 16-bit copy refreshed in the
// same pass:
// the rule of kernels/device/update.h on G / scale, slot = velocity.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

struct SgdUpdate {
  std::int64_t count = 0;
  float* weights = nullptr;
  const float* gradients = nullptr;
  float* velocity = nullptr;
  void* copy = nullptr;  // optional: `count` values of copy_type in the same order, = weights rounded
  StorageType copy_type = StorageType::kBf16;
  const float* lr = nullptr;            // device scalar
  const float* loss_scale = nullptr;    // device scalar, power of two; null: 1
  const std::uint32_t* skip = nullptr;  // device scalar; not 0: nothing is changed. null: never skip
  float momentum = 0.9f;
  float weight_decay = 5e-4f;
  bool first = false;  // no velocity yet: it counts as 0, whatever `velocity` holds
};
/// Arrays do not overlap. Reads 12 and writes 8 bytes a weight, and 2 (4) more for the copy.
void sgd_update(const SgdUpdate& update, cudaStream_t stream);

}  // namespace qcface::nn::cuda
