// Types in which the CUDA backend stores values. Sums, statistics, parameters and their gradients are always
// fp32.
//
// Rules for every host function of the element-wise files of this folder (pointwise.h, image.h, flatten.h,
// convert.h, bias.h, update.h, finite.h):
// - all pointers are device pointers, aligned to 16 bytes; values are row-major [rows, channels], which is
//   NHWC with rows = N * H * W. A null pointer means "absent" only where the comment says so;
// - they enqueue on `stream` and return: no allocation, no synchronisation, no host read of device memory, so
//   that every one of them can be captured in a CUDA graph;
// - counts of 0 enqueue nothing; other bad arguments and launch failures throw qcface::Error naming the
//   function;
// - the same inputs give the same bits every time, on every GPU: the grid that cuts the sums depends on the
//   shape and the type alone, and nothing is added atomically.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qcface::nn::cuda {

enum class StorageType { kF32, kBf16, kF16 };

constexpr std::size_t bytes_of(StorageType type) { return type == StorageType::kF32 ? 4 : 2; }
constexpr const char* name_of(StorageType type) {
  return type == StorageType::kF32 ? "fp32" : type == StorageType::kBf16 ? "bf16" : "fp16";
}

}  // namespace qcface::nn::cuda
