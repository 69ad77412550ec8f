// Arrays on the GPU and the inputs there, for the CUDA benchmark of the heads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/cuda_timing.h"
#include "bench/head/options.h"

namespace qcface::bench {

template <class T>
class Device {
 public:
  explicit Device(std::size_t count) : count_(count) {
    if (count == 0) return;
    check(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)), "device memory");
    check(cudaMemset(data_, 0, count * sizeof(T)), "device memory");
  }
  explicit Device(const std::vector<T>& values) : Device(values.size()) { copy_from(values); }
  ~Device() { cudaFree(data_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  T* data() { return data_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  void copy_from(const std::vector<T>& values) {
    check(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "copy");
  }
  void copy_from(const Device& other) {
    check(cudaMemcpy(data_, other.data_, bytes(), cudaMemcpyDeviceToDevice), "copy");
  }
  std::vector<T> host() const { return host(count_); }
  /// The first `count` values.
  std::vector<T> host(std::size_t count) const {
    std::vector<T> values(std::min(count, count_));
    check(cudaMemcpy(values.data(), data_, values.size() * sizeof(T), cudaMemcpyDeviceToHost), "copy");
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

/// What every combination at one shape shares: inputs on both sides and the arrays of class rows.
struct Inputs {
  Inputs(const HeadOptions& o, std::int64_t rows, std::int64_t width, std::int64_t classes, bool sixteen)
      : n(rows),
        d(width),
        k(classes),
        host_x(static_cast<std::size_t>(n * d)),
        host_w(static_cast<std::size_t>(k * d)),
        labels(input_labels(n, k)),
        x((fill_inputs(host_x.data(), host_x.size(), 1), host_x)),
        w((fill_inputs(host_w.data(), host_w.size(), 2), host_w)),
        velocity(o.sgd ? host_w.size() : 0),
        dw(o.sgd || o.forward ? 0 : host_w.size()),
        unit(sixteen ? host_w.size() : 0),
        device_labels(labels) {
    // Every combination starts from the same weights. They come back from a copy on the device where there is plenty of
    // memory, else over the bus.
    std::size_t free_bytes = 0, all_bytes = 0;
    check(cudaMemGetInfo(&free_bytes, &all_bytes), "memory");
    if (o.sgd && free_bytes > 4 * w.bytes()) {
      original = std::make_unique<Device<float>>(host_w.size());
      original->copy_from(w);
    }
  }

  /// As before the first step.
  void reset() {
    if (original) {
      w.copy_from(*original);
    } else {
      w.copy_from(host_w);
    }
    if (velocity.data() != nullptr) check(cudaMemset(velocity.data(), 0, velocity.bytes()), "velocity");
  }

  std::int64_t n, d, k;
  std::vector<float> host_x, host_w;
  std::vector<std::int64_t> labels;
  Device<float> x, w, velocity, dw;
  Device<std::uint16_t> unit;
  Device<std::int64_t> device_labels;
  std::unique_ptr<Device<float>> original;
};

}  // namespace qcface::bench
