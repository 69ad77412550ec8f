// C = alpha op(A) op(B) + beta C on row-major matrices: operands fp32, bf16 or fp16, C and sums fp32. cuBLASLt on a GPU
// (product_cublaslt.cpp), plain loops where kernels run on the CPU (product_plain.cpp).
//
// The algorithm is chosen once per shape by prepare_product (host work, some microseconds: once a stage, not once a
// chunk); run_product only enqueues. Reductions that depend on the order of arrival are never chosen, so the same
// inputs give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

struct ProductShape {
  qcf_type type;                              // of A and B
  std::int64_t m, n, k;                       // C [m, n]; op(A) [m, k]; op(B) [k, n]
  bool transpose_a;                           // A is stored as [k, m]
  bool transpose_b;                           // B is stored as [n, k]
  std::int64_t a_stride, b_stride, c_stride;  // elements from one stored row to the next
  int c_alignment = 16;  // bytes that the address of every row of C is a multiple of; A, B: 16
};

/// The alignment of C's rows, 16 at most: of an array at `c` whose rows are `stride` floats apart.
inline int alignment_of(const float* c, std::int64_t stride) {
  const auto common = reinterpret_cast<std::uintptr_t>(c) | static_cast<std::uintptr_t>(4 * stride);
  return common % 16 == 0 ? 16 : common % 8 == 0 ? 8 : 4;
}

/// A chosen algorithm. Plain data; holds no resource.
struct Product {
  ProductShape shape;
  void* workspace;
  std::size_t workspace_bytes;
  alignas(16) unsigned char detail[1024];
};

/// Scratch that prepare_product should be given: what NVIDIA advises for Hopper (cublasSetWorkspace). Sums split over k put
/// their parts there: [512, 512] += [512, 6400] [6400, 512] has 16 tiles of 128 x 128 for 132 multiprocessors, so it is split
/// eight times or more, 1 MiB each.
inline constexpr std::size_t kCublasLtWorkspaceBytes = std::size_t{32} << 20;
std::size_t product_workspace_bytes();  // 0 where plain loops stand in

/// Makes context->cublaslt / destroys it. The error names the library that was not found and what was tried.
qcf_status open_products(qcf_context* context);
void close_products(qcf_context* context);

/// workspace: device memory, 16-byte aligned, in use until the last run has finished. m, n, k >= 1.
qcf_status prepare_product(qcf_context* context, const ProductShape& shape, void* workspace,
                           std::size_t workspace_bytes, Product* product);
/// Enqueues on context->stream. With beta 0, C is not read.
qcf_status run_product(qcf_context* context, const Product& product, float alpha, const void* a,
                       const void* b, float beta, float* c);

}  // namespace qcface::kernels::cuda
