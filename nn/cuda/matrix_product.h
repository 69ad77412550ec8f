// result [m, n] = op(a) op(b), row-major and contiguous: the products of the fully connected layer (kernels/device/product.h).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "kernels/device/product.h"
#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

struct MatrixProduct {
  StorageType type = StorageType::kF32;    // of a and b
  StorageType result = StorageType::kF32;  // fp32, or the same as `type`
  std::int64_t m = 1, n = 1, k = 1;
  bool transpose_a = false;  // a is stored [k, m] instead of [m, k]
  bool transpose_b = false;  // b is stored [n, k] instead of [k, n]
  auto operator<=>(const MatrixProduct&) const = default;
};

/// Keeps the algorithm of every shape that was prepared.
class MatrixProducts {
 public:
  /// tf32: fp32 products may round their operands to TF32. `stream` is borrowed. Throws Error naming the library that was not
  /// found.
  MatrixProducts(cudaStream_t stream, bool tf32);
  ~MatrixProducts();
  MatrixProducts(const MatrixProducts&) = delete;
  MatrixProducts& operator=(const MatrixProducts&) = delete;

  std::string name() const { return qcface::cuda::products_name(); }
  /// Chooses the algorithm of a shape, once. Returns the bytes of workspace (256-byte aligned) that it wants. Throws
  /// Error naming the shape where there is none.
  std::size_t prepare(const MatrixProduct& product);
  /// Enqueued on the stream; device pointers, aligned to 16 bytes. The shape must have been prepared.
  void multiply(const MatrixProduct& product, const void* a, const void* b, void* result, void* workspace);

 private:
  void* handle_ = nullptr;
  cudaStream_t stream_;
  bool tf32_;
  std::map<MatrixProduct, qcface::cuda::Product> prepared_;
};

}  // namespace qcface::nn::cuda
