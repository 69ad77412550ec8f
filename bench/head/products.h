// The bare products that a step contains, through a library of this machine: the floor of the table.
#pragma once

#include <cstdint>
#include <string>

namespace qcface::bench {

/// Name and version of the library; "" where the build found none, and then sgemm must not be called.
std::string product_library();

/// Row-major C [m, n] = op(A) op(B), op(A) [m, k], with OpenMP's threads.
void sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
           std::int64_t a_stride, const float* b, std::int64_t b_stride, float* c, std::int64_t c_stride);

/// Cosines, vectors, cosines again, dW: x [N, D], w [K, D]; scratch `table` [N, K], `vectors` [N, D], `dw` [K, D].
/// With forward the first alone.
void step_products(std::int64_t n, std::int64_t d, std::int64_t k, const float* x, const float* w,
                   float* table, float* vectors, float* dw, bool forward);

}  // namespace qcface::bench
