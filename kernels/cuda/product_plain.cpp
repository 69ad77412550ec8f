// The products of the head where kernels run on the CPU: device memory is host memory there, and every launch has
// finished when it returns, so plain loops in fp32 stand in for cuBLASLt.
#ifdef QCF_EMULATE
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/product.h"
#include "kernels/cuda/types.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

int handle;  // its address stands for a library handle

template <class T>
void multiply(const ProductShape& s, float alpha, const T* a, const T* b, float beta, float* c) {
  // B as fp32 [k, n], so that the innermost loop runs along rows.
  std::vector<float> wide(static_cast<std::size_t>(s.k * s.n));
  for (std::int64_t r = 0; r < s.k; ++r) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      wide[static_cast<std::size_t>(r * s.n + j)] =
          to_float(s.transpose_b ? b[j * s.b_stride + r] : b[r * s.b_stride + j]);
    }
  }
  std::vector<float> row(static_cast<std::size_t>(s.n));
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (float& value : row) value = 0.0f;
    for (std::int64_t r = 0; r < s.k; ++r) {
      const float factor = to_float(s.transpose_a ? a[r * s.a_stride + i] : a[i * s.a_stride + r]);
      const float* const from = wide.data() + r * s.n;
      for (std::int64_t j = 0; j < s.n; ++j) row[static_cast<std::size_t>(j)] += factor * from[j];
    }
    float* const out = c + i * s.c_stride;
    for (std::int64_t j = 0; j < s.n; ++j) {
      const float value = alpha * row[static_cast<std::size_t>(j)];
      out[j] = beta == 0.0f ? value : value + beta * out[j];
    }
  }
}

}  // namespace

std::size_t product_workspace_bytes() { return 0; }

qcf_status open_products(qcf_context* context) {
  context->cublaslt = &handle;
  return QCF_OK;
}

void close_products(qcf_context* context) { context->cublaslt = nullptr; }

qcf_status prepare_product(qcf_context* context, const ProductShape& shape, void*, std::size_t,
                           Product* product) {
  if (context->cublaslt != &handle) {
    return fail(context, QCF_INVALID_ARGUMENT, "context.cublaslt is NULL: call qcf_cuda_open first");
  }
  *product = Product{};
  product->shape = shape;
  return QCF_OK;
}

qcf_status run_product(qcf_context* context, const Product& product, float alpha, const void* a,
                       const void* b, float beta, float* c) {
  const ProductShape& s = product.shape;
  // What cuBLASLt was promised holds for this run.
  if (alignment_of(c, s.c_stride) < s.c_alignment || reinterpret_cast<std::uintptr_t>(a) % 16 != 0 ||
      reinterpret_cast<std::uintptr_t>(b) % 16 != 0) {
    return fail(context, QCF_INVALID_ARGUMENT, "a product's matrix is not aligned as its shape says");
  }
  emulation::enqueue(static_cast<cudaStream_t>(context->stream), [=, s = s] {
    if (s.type == QCF_TYPE_F32) {
      multiply(s, alpha, static_cast<const float*>(a), static_cast<const float*>(b), beta, c);
    } else if (s.type == QCF_TYPE_BF16) {
      multiply(s, alpha, static_cast<const __nv_bfloat16*>(a), static_cast<const __nv_bfloat16*>(b), beta, c);
    } else {
      multiply(s, alpha, static_cast<const __half*>(a), static_cast<const __half*>(b), beta, c);
    }
  });
  return QCF_OK;
}

}  // namespace qcface::kernels::cuda
#endif
