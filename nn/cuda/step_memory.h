// Memory and events of the step queue, each owned by one object.
#pragma once

#include <cstddef>

#include "nn/cuda/cuda_backend.h"
#include "nn/cuda/event.h"

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

}  // namespace qcface::nn::cuda
