// The products where kernels run on the CPU: device memory is host memory there, so plain loops stand in for cuBLASLt. Sums are
// fp32 in runs of 256, runs in double; of double operands double. In one order whatever the number of threads.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "kernels/device/device.cuh"
#include "kernels/device/parallel.h"
#include "kernels/device/product.h"
#include "kernels/device/types.cuh"

namespace qcface::cuda {
namespace {

constexpr std::size_t kWorkspace = 768;  // something, so that the hand-over of workspaces is tested too
constexpr std::int64_t kRun = 256;

int plain_handle;  // its address stands for a library handle

float value_at(qcf_type type, const void* values, std::int64_t at) {
  if (type == QCF_TYPE_BF16) return to_float(static_cast<const __nv_bfloat16*>(values)[at]);
  if (type == QCF_TYPE_F16) return to_float(static_cast<const __half*>(values)[at]);
  return static_cast<const float*>(values)[at];
}

void put(qcf_type type, void* values, std::int64_t at, float value) {
  if (type == QCF_TYPE_BF16) static_cast<__nv_bfloat16*>(values)[at] = from_float<__nv_bfloat16>(value);
  if (type == QCF_TYPE_F16) static_cast<__half*>(values)[at] = from_float<__half>(value);
  if (type == QCF_TYPE_F32) static_cast<float*>(values)[at] = value;
}

void multiply(const ProductShape& s, float alpha, const void* a, const void* b, float beta, void* c) {
  const auto width = static_cast<std::size_t>(s.n);
  // B as fp32 [k, n], so that the innermost loop runs along rows.
  std::vector<float> wide(static_cast<std::size_t>(s.k) * width);
  parallel_for(s.k, 0, [&](std::int64_t r) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      wide[static_cast<std::size_t>(r * s.n + j)] =
          value_at(s.type, b, s.transpose_b ? j * s.b_stride + r : r * s.b_stride + j);
    }
  });
  parallel_for(s.m, 0, [&](std::int64_t i) {
    std::vector<float> part(width);
    std::vector<double> sums(width);
    for (std::int64_t first = 0; first < s.k; first += kRun) {
      std::fill(part.begin(), part.end(), 0.0f);
      for (std::int64_t r = first; r < std::min(first + kRun, s.k); ++r) {
        const float factor = value_at(s.type, a, s.transpose_a ? r * s.a_stride + i : i * s.a_stride + r);
        const float* const from = wide.data() + r * s.n;
        for (std::size_t j = 0; j < width; ++j) part[j] += factor * from[j];
      }
      for (std::size_t j = 0; j < width; ++j) sums[j] += static_cast<double>(part[j]);
    }
    for (std::int64_t j = 0; j < s.n; ++j) {
      const std::int64_t at = i * s.c_stride + j;
      const float value = alpha * static_cast<float>(sums[static_cast<std::size_t>(j)]);
      put(s.c_type, c, at, beta == 0.0f ? value : value + beta * value_at(s.c_type, c, at));
    }
  });
}

void multiply_doubles(const ProductShape& s, double alpha, const double* a, const double* b, double beta,
                      double* c) {
  parallel_for(s.m, 0, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (std::int64_t r = 0; r < s.k; ++r) {
        sum += a[s.transpose_a ? r * s.a_stride + i : i * s.a_stride + r] *
               b[s.transpose_b ? j * s.b_stride + r : r * s.b_stride + j];
      }
      double& to = c[i * s.c_stride + j];
      to = beta == 0 ? alpha * sum : alpha * sum + beta * to;
    }
  });
}

bool failed(std::span<char> error, const char* what) {
  std::snprintf(error.data(), error.size(), "a product: %s", what);
  return false;
}

}  // namespace

bool open_products(void** handle, std::span<char>) {
  *handle = &plain_handle;
  return true;
}

void close_products(void*) {}

std::string products_name() { return "plain loops"; }

bool prepare_product(void* handle, const ProductShape& shape, bool, std::size_t workspace_bytes,
                     Product* product, std::span<char> error) {
  if (handle != &plain_handle) return failed(error, "the handle is not one of open_products");
  *product = Product{};
  product->shape = shape;
  product->workspace_bytes = std::min(workspace_bytes, kWorkspace);
  return true;
}

bool run_product(void*, const Product& product, float alpha, const void* a, const void* b, float beta,
                 void* c, void* workspace, cudaStream_t stream, std::span<char> error) {
  // What cuBLASLt was promised holds for this run.
  const ProductShape s = product.shape;
  if (alignment_of(c, s.c_stride,
                   s.f64                      ? 8
                   : s.c_type == QCF_TYPE_F32 ? 4
                                              : 2) < s.c_alignment ||
      reinterpret_cast<std::uintptr_t>(a) % 16 != 0 || reinterpret_cast<std::uintptr_t>(b) % 16 != 0)
    return failed(error, "a matrix is not aligned as the shape says");
  const std::size_t bytes = product.workspace_bytes;
  if (bytes > 0 && workspace == nullptr) return failed(error, "the workspace is null");
  emulation::enqueue(stream, [=] {
    std::fill_n(static_cast<unsigned char*>(workspace), bytes, static_cast<unsigned char>(0xFF));
    if (s.f64) {
      multiply_doubles(s, static_cast<double>(alpha), static_cast<const double*>(a),
                       static_cast<const double*>(b), static_cast<double>(beta), static_cast<double*>(c));
    } else {
      multiply(s, alpha, a, b, beta, c);
    }
  });
  return true;
}

}  // namespace qcface::cuda
