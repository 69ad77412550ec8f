// The products of the head: device/product.h with what a context holds. An algorithm is asked for once a stage, not once a
// chunk, and kept on the stack, because no call may allocate.
#pragma once

#include <cstddef>

#include "kernels/check.h"
#include "kernels/device/product.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

using ::qcface::cuda::alignment_of;
using ::qcface::cuda::ProductShape;

/// A chosen algorithm and its scratch.
struct Product {
  ::qcface::cuda::Product chosen;
  void* workspace;
};

/// Scratch that prepare_product should be given; none where plain loops stand in.
#ifdef QCF_EMULATE
inline std::size_t product_workspace_bytes() { return 0; }
#else
inline std::size_t product_workspace_bytes() { return ::qcface::cuda::kProductWorkspaceBytes; }
#endif

/// Makes context->cublaslt / destroys it.
inline qcf_status open_products(qcf_context* context) {
  return ::qcface::cuda::open_products(&context->cublaslt, context->error) ? QCF_OK : QCF_UNSUPPORTED;
}
inline void close_products(qcf_context* context) {
  ::qcface::cuda::close_products(context->cublaslt);
  context->cublaslt = nullptr;
}

/// workspace: device memory, 16-byte aligned, in use until the last run has finished.
inline qcf_status prepare_product(qcf_context* context, const ProductShape& shape, void* workspace,
                                  std::size_t workspace_bytes, Product* product) {
  if (context->cublaslt == nullptr)
    return fail(context, QCF_INVALID_ARGUMENT, "context.cublaslt is NULL: call qcf_cuda_open first");
  product->workspace = workspace;
  return ::qcface::cuda::prepare_product(context->cublaslt, shape, context->tf32 != 0, workspace_bytes,
                                         &product->chosen, context->error)
             ? QCF_OK
             : QCF_UNSUPPORTED;
}

/// Enqueues on context->stream. With beta 0, C is not read.
inline qcf_status run_product(qcf_context* context, const Product& product, float alpha, const void* a,
                              const void* b, float beta, float* c) {
  return ::qcface::cuda::run_product(context->cublaslt, product.chosen, alpha, a, b, beta, c,
                                     product.workspace, static_cast<cudaStream_t>(context->stream),
                                     context->error)
             ? QCF_OK
             : QCF_UNSUPPORTED;
}

}  // namespace qcface::kernels::cuda
