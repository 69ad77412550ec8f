// The GPU of a scorer: a stream, memory, products in double.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "kernels/device/product.h"
#include "kernels/device/runtime.h"
#include "nn/backend.h"
#include "nn/scoring/cuda/collective.h"
#include "nn/scoring/scorer.h"

namespace qcface::nn::cuda {

/// Device memory for `count` values, not initialised. Move-only.
template <class T>
class Array {
 public:
  Array() = default;
  Array(Memory memory, std::size_t count) : memory_(std::move(memory)), count_(count) {}
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  std::size_t size() const { return count_; }

 private:
  Memory memory_;
  std::size_t count_ = 0;
};

class ScoringDevice {
 public:
  explicit ScoringDevice(const CudaScorerOptions& options);
  ~ScoringDevice();
  ScoringDevice(const ScoringDevice&) = delete;
  ScoringDevice& operator=(const ScoringDevice&) = delete;

  /// Makes the GPU the calling thread's; first in every call of a scorer.
  void begin() const;
  /// What a call may take now.
  std::size_t memory_bytes() const;
  cudaStream_t stream() const { return stream_; }
  void wait() const;

  /// Throws Error saying what for. At least one value, so that no array is null.
  template <class T>
  Array<T> array(std::int64_t count, const char* what) const {
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(count, 1));
    return {allocate(size * sizeof(T), what), size};
  }
  template <class T>
  void upload(T* to, const T* from, std::size_t count) const {
    copy(to, from, count * sizeof(T), cudaMemcpyHostToDevice);
  }
  /// Has arrived when wait() returns.
  template <class T>
  void download(T* to, const T* from, std::size_t count) const {
    copy(to, from, count * sizeof(T), cudaMemcpyDeviceToHost);
  }
  template <class T>
  T value_of(const T* from) const {
    T value{};
    download(&value, from, 1);
    wait();
    return value;
  }
  /// Every byte.
  void fill(void* memory, unsigned char byte, std::size_t bytes) const;
  /// Rows [first, first + count) as they are; the place of f32 or f64 in `to` that the rows do not have stays null.
  struct RawRows {
    float* f32 = nullptr;
    double* f64 = nullptr;
  };
  void upload_rows(const RowsView& rows, std::int64_t first, std::int64_t count, const RawRows& to) const;

  /// products [m, n] = a [m, k] b [n, k]^T; n and k even. One algorithm for a shape, so equal rows give equal products.
  void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, const double* b,
                double* products);

  /// Runs a call of collective.h with scratch that grows where it has to.
  void collectively(const std::function<void(Scratch*)>& call);

 private:
  Memory allocate(std::size_t bytes, const char* what) const;
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const;

  CudaScorerOptions options_;
  std::string name_;
  cudaStream_t stream_ = nullptr;
  void* handle_ = nullptr;
  qcface::cuda::Product product_{};
  Memory product_workspace_, scratch_;
};

}  // namespace qcface::nn::cuda
