// C = alpha op(A) op(B) + beta C on row-major matrices; sums fp32, of double operands double. cuBLASLt on a GPU (product_cublaslt.cpp), plain loops where
// kernels run on the CPU (product_plain.cpp). Heads and backbone ask here; what each keeps of it is its own affair.
//
// The algorithm is chosen by prepare_product (host work, some microseconds); run_product only enqueues. Reductions that
// depend on the order of arrival are never chosen, so the same inputs give the same bits. Nothing here allocates but
// open_products. A call that fails returns false and writes one sentence into `error`.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kernels/device/runtime.h"
#include "qcface/kernels.h"

namespace qcface::cuda {

struct ProductShape {
  qcf_type type = QCF_TYPE_F32;                           // of A and B
  std::int64_t m = 1, n = 1, k = 1;                       // C [m, n]; op(A) [m, k]; op(B) [k, n]
  bool transpose_a = false;                               // A is stored as [k, m]
  bool transpose_b = false;                               // B is stored as [n, k]
  std::int64_t a_stride = 1, b_stride = 1, c_stride = 1;  // elements from one stored row to the next
  int c_alignment =
      16;  // bytes that the address of every row of C is a multiple of; addresses of A and B: 16
  qcf_type c_type = QCF_TYPE_F32;  // fp32, or `type`; then beta must be 0
  bool f64 = false;                // A, B and C are double; the two types above say nothing then
  auto operator<=>(const ProductShape&) const = default;
};

/// The alignment of C's rows, 16 at most: of an array at `c` whose rows are `stride` elements apart.
inline int alignment_of(const void* c, std::int64_t stride, std::int64_t element_bytes = 4) {
  const auto common =
      reinterpret_cast<std::uintptr_t>(c) | static_cast<std::uintptr_t>(element_bytes * stride);
  return common % 16 == 0 ? 16 : common % 8 == 0 ? 8 : common % 4 == 0 ? 4 : 2;
}

/// A chosen algorithm. Plain data; holds no resource.
struct Product {
  ProductShape shape;
  std::size_t workspace_bytes;  // that it wants
  alignas(16) unsigned char detail[1024];
};

/// Scratch that prepare_product should be offered: what NVIDIA advises for Hopper (cublasSetWorkspace). Sums split over k put
/// their parts there: [512, 512] += [512, 6400] [6400, 512] has 16 tiles of 128 x 128 for 132 multiprocessors, so it is split
/// eight times or more, 1 MiB each.
inline constexpr std::size_t kProductWorkspaceBytes = std::size_t{32} << 20;

/// Makes / destroys (NULL is allowed) a cublasLtHandle_t. The error names the library that was not found and what was tried.
bool open_products(void** handle, std::span<char> error);
void close_products(void* handle);
/// Library and version.
std::string products_name();

/// tf32: fp32 operands may be rounded to TF32. m, n, k >= 1.
bool prepare_product(void* handle, const ProductShape& shape, bool tf32, std::size_t workspace_bytes,
                     Product* product, std::span<char> error);
/// workspace: device memory, 16-byte aligned, in use until the last run has finished. With beta 0, C is not read.
bool run_product(void* handle, const Product& product, float alpha, const void* a, const void* b, float beta,
                 void* c, void* workspace, cudaStream_t stream, std::span<char> error);

}  // namespace qcface::cuda
