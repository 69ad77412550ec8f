// Products of emulated builds, in plain loops: fp32 sums in runs of 256, runs in double.
#include <algorithm>
#include <set>
#include <vector>

#include "core/error.h"
#include "kernels/cpu/parallel.h"
#include "nn/cuda/matrix_product.h"
#include "nn/cuda/plain_values.h"

namespace qcface::nn::cuda {
namespace {

/// [rows, columns] -> [columns, rows].
std::vector<float> transposed(const std::vector<float>& v, std::size_t rows, std::size_t columns) {
  std::vector<float> out(v.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) out[c * rows + r] = v[r * columns + c];
  return out;
}

class PlainProducts final : public ProductLibrary {
 public:
  std::string name() const override { return "plain loops"; }

  std::size_t prepare(const ProductShape& shape) override {
    prepared_.insert(shape);
    return kWorkspace;
  }

  void multiply(const ProductShape& shape, const void* a_values, const void* b_values, void* result,
                void* workspace) override {
    require(prepared_.count(shape) == 1, "matrix product: a shape that was not prepared");
    require(workspace != nullptr, "matrix product: the workspace is null");
    std::fill_n(static_cast<unsigned char*>(workspace), kWorkspace, static_cast<unsigned char>(0xFF));
    const auto m = static_cast<std::size_t>(shape.m), n = static_cast<std::size_t>(shape.n),
               k = static_cast<std::size_t>(shape.k);
    std::vector<float> a = widen_values(shape.type, a_values, m * k),
                       b = widen_values(shape.type, b_values, k * n);
    if (shape.transpose_a) a = transposed(a, k, m);   // [m, k]
    if (!shape.transpose_b) b = transposed(b, k, n);  // [n, k]
    parallel_for(shape.m, 0, [&](std::int64_t row) {
      std::vector<float> out(n);
      for (std::size_t j = 0; j < n; ++j) {
        const float* const x = &a[static_cast<std::size_t>(row) * k];
        const float* const y = &b[j * k];
        double sum = 0;
        for (std::size_t first = 0; first < k; first += kRun) {
          const std::size_t last = std::min(first + kRun, k);
          float part = 0;
#pragma omp simd reduction(+ : part)
          for (std::size_t i = first; i < last; ++i) part += x[i] * y[i];
          sum += static_cast<double>(part);
        }
        out[j] = static_cast<float>(sum);
      }
      store_values(shape.result, result, static_cast<std::size_t>(row) * n, out.data(), n);
    });
  }

 private:
  static constexpr std::size_t kWorkspace = 768, kRun = 256;
  std::set<ProductShape> prepared_;
};

}  // namespace

std::unique_ptr<ProductLibrary> make_product_library(cudaStream_t, bool) {
  return std::make_unique<PlainProducts>();
}

}  // namespace qcface::nn::cuda
