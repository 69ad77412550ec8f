// Memory and events of the step queue, each owned by one object.
#pragma once

#include <cstddef>

#include "nn/cuda/cuda_backend.h"

namespace qcface::nn::cuda {

/// Page-locked host memory, which the device copies from and to without a detour. Move-only.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  explicit PinnedMemory(std::size_t bytes) {
    check_cuda(cudaMallocHost(&data_, bytes), "page-locked memory");
  }
  PinnedMemory(PinnedMemory&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~PinnedMemory() {
    if (data_ != nullptr) cudaFreeHost(data_);
  }
  template <class T>
  T* as(std::size_t offset = 0) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(data_) + offset);
  }

 private:
  void* data_ = nullptr;
};

class Event {
 public:
  Event() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "CUDA event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "CUDA event"); }
  void hold(cudaStream_t stream) const { check_cuda(cudaStreamWaitEvent(stream, event_, 0), "CUDA event"); }
  void wait() const { check_cuda(cudaEventSynchronize(event_), "training step"); }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace qcface::nn::cuda
