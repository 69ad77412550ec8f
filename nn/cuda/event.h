// A CUDA event without its time.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/cuda/check.h"

namespace qcface::nn::cuda {

class Event {
 public:
  Event() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "CUDA event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "CUDA event"); }
  void hold(cudaStream_t stream) const { check_cuda(cudaStreamWaitEvent(stream, event_, 0), "CUDA event"); }
  void wait() const { check_cuda(cudaEventSynchronize(event_), "training step"); }
  bool reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    check_cuda(status, "training step");
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace qcface::nn::cuda
