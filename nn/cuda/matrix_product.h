// result [m, n] = op(a) op(b), row-major: the products of the fully connected layer, by cuBLASLt or, in builds that
// emulate the device, plain loops. Sums are fp32 in an order that depends on the shape and the device alone.
#pragma once

#include <compare>
#include <memory>
#include <string>

#include "kernels/cuda/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

struct ProductShape {
  StorageType type = StorageType::kF32;    // of a and b
  StorageType result = StorageType::kF32;  // fp32, or the same as `type`
  std::int64_t m = 1, n = 1, k = 1;
  bool transpose_a = false;  // a is stored [k, m] instead of [m, k]
  bool transpose_b = false;  // b is stored [n, k] instead of [k, n]
  auto operator<=>(const ProductShape&) const = default;
};

class ProductLibrary {
 public:
  virtual ~ProductLibrary() = default;
  virtual std::string name() const = 0;
  /// Chooses the algorithm of a shape, once. Returns the bytes of workspace (256-byte aligned) that it wants. Throws
  /// Error naming the shape where there is none.
  virtual std::size_t prepare(const ProductShape& shape) = 0;
  /// Enqueued on the library's stream; device pointers, aligned to 16 bytes. The shape must have been prepared.
  virtual void multiply(const ProductShape& shape, const void* a, const void* b, void* result,
                        void* workspace) = 0;
};

/// tf32: fp32 products may round their operands to TF32. `stream` is borrowed.
std::unique_ptr<ProductLibrary> make_product_library(cudaStream_t stream, bool tf32);

}  // namespace qcface::nn::cuda
