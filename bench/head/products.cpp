#include "bench/head/products.h"

#include <stdexcept>

#if defined(QCFACE_BENCH_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#elif defined(QCFACE_BENCH_CBLAS)
#include <cblas.h>
#endif

namespace qcface::bench {

#if defined(QCFACE_BENCH_ONEDNN)

std::string product_library() {
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
         std::to_string(v->patch);
}

void sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
           std::int64_t a_stride, const float* b, std::int64_t b_stride, float* c, std::int64_t c_stride) {
  if (dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, a_stride, b, b_stride,
                 0.0f, c, c_stride) != dnnl_success)
    throw std::runtime_error("dnnl_sgemm failed");
}

#elif defined(QCFACE_BENCH_CBLAS)

std::string product_library() { return QCFACE_BENCH_CBLAS; }

void sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
           std::int64_t a_stride, const float* b, std::int64_t b_stride, float* c, std::int64_t c_stride) {
  const auto small = [](std::int64_t v) { return static_cast<int>(v); };
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              small(m), small(n), small(k), 1.0f, a, small(a_stride), b, small(b_stride), 0.0f, c,
              small(c_stride));
}

#else

std::string product_library() { return ""; }

void sgemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, std::int64_t, const float*,
           std::int64_t, float*, std::int64_t) {
  throw std::logic_error("built without a library of matrix products");
}

#endif

void step_products(std::int64_t n, std::int64_t d, std::int64_t k, const float* x, const float* w,
                   float* table, float* vectors, float* dw, bool forward) {
  sgemm(false, true, n, k, d, x, d, w, d, table, k);
  if (forward) return;
  sgemm(false, false, n, d, k, table, k, w, d, vectors, d);
  sgemm(false, true, n, k, d, x, d, w, d, table, k);
  sgemm(true, false, k, d, n, table, k, x, d, dw, d);
}

}  // namespace qcface::bench
