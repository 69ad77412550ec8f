// Convolutions of emulated builds, in plain loops: what cuDNN computes, so that everything around it can be tested
// without a GPU. Operands are widened once; sums are fp32 (of weight gradients: double over image rows) in a fixed order,
// whatever the number of threads, and rounded once to the storage type.
#include <algorithm>
#include <map>
#include <vector>

#include "core/error.h"
#include "kernels/device/parallel.h"
#include "nn/cuda/convolution.h"
#include "nn/cuda/plain_values.h"

namespace qcface::nn::cuda {
namespace {

class PlainConvolution final : public Convolution {
 public:
  explicit PlainConvolution(const ConvolutionShape& shape)
      : s_(shape), p_(shape.out_h()), q_(shape.out_w()) {}

  // Something, so that the plan and the hand-over of workspaces are tested too; poisoned at every use.
  std::size_t forward_bytes() const override { return kWorkspace; }
  std::size_t backward_data_bytes() const override { return 2 * kWorkspace; }
  std::size_t backward_weights_bytes() const override { return 3 * kWorkspace; }

  void forward(const void* x_values, const void* w_values, void* y, void* workspace) override {
    poison(workspace, forward_bytes());
    const std::vector<float> x = widen_values(s_.type, x_values, x_count()),
                             w = widen_values(s_.type, w_values, w_count());
    parallel_for(std::int64_t{s_.n} * p_, 0, [&](std::int64_t task) {
      const int n = static_cast<int>(task / p_), p = static_cast<int>(task % p_);
      std::vector<float> row(width(s_.k));
      for (int q = 0; q < q_; ++q) {
        for (int k = 0; k < s_.k; ++k) {
          float sum = 0;
          each_tap(p, q, [&](int r, int s, int h, int v) {
            const float* const a = &x[pixel(n, h, v)];
            const float* const b = &w[tap(k, r, s)];
            float part = 0;
#pragma omp simd reduction(+ : part)
            for (int c = 0; c < s_.c; ++c) part += a[c] * b[c];
            sum += part;
          });
          row[width(k)] = sum;
        }
        store_values(s_.type, y, out_pixel(n, p, q), row.data(), row.size());
      }
    });
  }

  // Where cuDNN leaves sums too.
  bool gives_sums() const override { return s_.type == StorageType::kF16; }
  std::size_t forward_sums_bytes() const override { return 4 * kWorkspace; }
  void forward_sums(const void* x, const void* w, void* y, float* sums, void* workspace) override {
    poison(workspace, forward_sums_bytes());
    forward(x, w, y, workspace);
    const std::vector<float> values = widen_values(s_.type, y, y_count());
    const std::size_t depth = width(s_.k);
    std::fill_n(sums, 2 * depth, 0.0f);
    std::vector<float> row(2 * depth);  // of one image row, as a block of threads would sum it
    for (std::size_t at = 0; at < values.size(); at += width(q_) * depth) {
      std::fill(row.begin(), row.end(), 0.0f);
      for (std::size_t i = at; i < at + width(q_) * depth; i += depth) {
        for (std::size_t k = 0; k < depth; ++k) {
          row[k] += values[i + k];
          row[depth + k] += values[i + k] * values[i + k];
        }
      }
      for (std::size_t k = 0; k < 2 * depth; ++k) sums[k] += row[k];
    }
  }

  void backward_data(const void* w_values, const void* dy_values, void* dx, void* workspace) override {
    poison(workspace, backward_data_bytes());
    const std::vector<float> w = widen_values(s_.type, w_values, w_count()),
                             dy = widen_values(s_.type, dy_values, y_count());
    parallel_for(std::int64_t{s_.n} * s_.h, 0, [&](std::int64_t task) {
      const int n = static_cast<int>(task / s_.h), h = static_cast<int>(task % s_.h);
      std::vector<float> row(width(s_.c));
      for (int v = 0; v < s_.w; ++v) {
        std::fill(row.begin(), row.end(), 0.0f);
        for (int r = 0; r < s_.kernel; ++r) {
          for (int s = 0; s < s_.kernel; ++s) {
            const int up = h + s_.padding - r, left = v + s_.padding - s;
            if (up % s_.stride != 0 || left % s_.stride != 0) continue;
            const int p = up / s_.stride, q = left / s_.stride;
            if (up < 0 || left < 0 || p >= p_ || q >= q_) continue;
            const float* const g = &dy[out_pixel(n, p, q)];
            for (int k = 0; k < s_.k; ++k) {
              const float* const b = &w[tap(k, r, s)];
              const float factor = g[k];
#pragma omp simd
              for (int c = 0; c < s_.c; ++c) row[width(c)] += factor * b[c];
            }
          }
        }
        store_values(s_.type, dx, pixel(n, h, v), row.data(), row.size());
      }
    });
  }

  void backward_weights(const void* x_values, const void* dy_values, void* dw, void* workspace) override {
    poison(workspace, backward_weights_bytes());
    const std::vector<float> x = widen_values(s_.type, x_values, x_count()),
                             dy = widen_values(s_.type, dy_values, y_count());
    const std::size_t taps = width(s_.kernel) * width(s_.kernel), depth = width(s_.c);
    parallel_for(s_.k, 0, [&](std::int64_t task) {
      const int k = static_cast<int>(task);
      std::vector<double> sums(taps * depth, 0.0);
      std::vector<float> part(taps * depth), rounded(taps * depth);
      for (int n = 0; n < s_.n; ++n) {
        for (int p = 0; p < p_; ++p) {
          std::fill(part.begin(), part.end(), 0.0f);  // one image row in fp32, rows in double
          for (int q = 0; q < q_; ++q) {
            const float g = dy[out_pixel(n, p, q) + width(k)];
            each_tap(p, q, [&](int r, int s, int h, int v) {
              const float* const a = &x[pixel(n, h, v)];
              float* const to = &part[(width(r) * width(s_.kernel) + width(s)) * depth];
#pragma omp simd
              for (int c = 0; c < s_.c; ++c) to[c] += g * a[c];
            });
          }
          for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(part[i]);
        }
      }
      for (std::size_t i = 0; i < sums.size(); ++i) rounded[i] = static_cast<float>(sums[i]);
      store_values(s_.type, dw, tap(k, 0, 0), rounded.data(), rounded.size());
    });
  }

 private:
  static constexpr std::size_t kWorkspace = 512;
  static std::size_t width(int i) { return static_cast<std::size_t>(i); }
  static void poison(void* workspace, std::size_t bytes) {
    require(workspace != nullptr && reinterpret_cast<std::uintptr_t>(workspace) % 256 == 0,
            "convolution: the workspace is null or not aligned to 256 bytes");
    std::fill_n(static_cast<unsigned char*>(workspace), bytes, static_cast<unsigned char>(0xFF));
  }
  std::size_t pixel(int n, int h, int v) const {
    return ((width(n) * width(s_.h) + width(h)) * width(s_.w) + width(v)) * width(s_.c);
  }
  std::size_t out_pixel(int n, int p, int q) const {
    return ((width(n) * width(p_) + width(p)) * width(q_) + width(q)) * width(s_.k);
  }
  std::size_t tap(int k, int r, int s) const {
    return ((width(k) * width(s_.kernel) + width(r)) * width(s_.kernel) + width(s)) * width(s_.c);
  }
  std::size_t x_count() const { return pixel(s_.n, 0, 0); }
  std::size_t y_count() const { return out_pixel(s_.n, 0, 0); }
  std::size_t w_count() const { return tap(s_.k, 0, 0); }

  template <class Body>
  void each_tap(int p, int q, const Body& body) const {
    for (int r = 0; r < s_.kernel; ++r) {
      const int h = p * s_.stride + r - s_.padding;
      if (h < 0 || h >= s_.h) continue;
      for (int s = 0; s < s_.kernel; ++s) {
        const int v = q * s_.stride + s - s_.padding;
        if (v >= 0 && v < s_.w) body(r, s, h, v);
      }
    }
  }

  ConvolutionShape s_;
  int p_, q_;
};

class PlainConvolutions final : public ConvolutionLibrary {
 public:
  std::string name() const override { return "plain loops"; }
  std::shared_ptr<Convolution> find(const ConvolutionShape& shape) override {
    auto& slot = found_[shape];
    if (!slot) slot = std::make_shared<PlainConvolution>(shape);
    return slot;
  }

 private:
  std::map<ConvolutionShape, std::shared_ptr<Convolution>> found_;
};

}  // namespace

std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t, bool) {
  return std::make_unique<PlainConvolutions>();
}

}  // namespace qcface::nn::cuda
