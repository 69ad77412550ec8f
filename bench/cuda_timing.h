// Work on a stream of the GPU, timed on the device's own clock; and what data sheets say of the device.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "bench/timing.h"
#include "kernels/device/runtime.h"

namespace qcface::bench {

inline void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

/// A stream that can be captured, which the default stream cannot.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "stream"); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Time between two events around the work on a stream.
class EventClock {
 public:
  explicit EventClock(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&begin_), "event");
    check(cudaEventCreate(&end_), "event");
  }
  ~EventClock() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  EventClock(const EventClock&) = delete;
  EventClock& operator=(const EventClock&) = delete;

  template <class Work>
  void operator()(Work&& work, Samples* samples) {
    check(cudaEventRecord(begin_, stream_), "event");
    work();
    check(cudaEventRecord(end_, stream_), "event");
    check(cudaEventSynchronize(end_), "timed work");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin_, end_), "event");
    samples->ms.push_back(static_cast<double>(ms));
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

/// Work captured once as a CUDA graph and replayed: what the host does to enqueue it is not in its time. The work must have
/// run before, so that libraries have loaded their kernels. Where the device is emulated there are no graphs, and a replay
/// enqueues the work anew.
class Replay {
 public:
  Replay(cudaStream_t stream, std::function<void()> work) : stream_(stream), work_(std::move(work)) {
#ifndef QCF_EMULATE
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
    try {
      work_();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "capture");
    const cudaError_t status = cudaGraphInstantiate(&ready_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "CUDA graph");
    check(cudaGraphUpload(ready_, stream), "CUDA graph");
#endif
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;
#ifdef QCF_EMULATE
  void operator()() { work_(); }
#else
  ~Replay() { cudaGraphExecDestroy(ready_); }
  void operator()() { check(cudaGraphLaunch(ready_, stream_), "CUDA graph"); }
#endif

 private:
  cudaStream_t stream_;
  std::function<void()> work_;
#ifndef QCF_EMULATE
  cudaGraphExec_t ready_ = nullptr;
#endif
};

/// Of the data sheet, dense; 0 where the name is not known.
struct SheetRates {
  double f32_gflops = 0, half_gflops = 0, gbytes = 0;
};
inline SheetRates sheet_rates(const std::string& name) {
  const auto is = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (is("H100 PCIe")) return {51.2e3, 756e3, 2000};
  if (is("H100 NVL")) return {60e3, 835.5e3, 3900};
  if (is("H100")) return {66.9e3, 989.4e3, 3350};
  if (is("H200")) return {66.9e3, 989.4e3, 4800};
  if (is("A100")) return {19.5e3, 312e3, is("80GB") ? (is("PCIe") ? 1935.0 : 2039.0) : 1555.0};
  return {};
}

/// The driver says what it supports; its own version is nvidia-smi's to tell.
inline void device_versions(std::string* driver, std::string* cuda) {
#ifndef QCF_EMULATE
  const auto text = [](int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  };
  int supported = 0, runtime = 0;
  check(cudaDriverGetVersion(&supported), "driver");
  check(cudaRuntimeGetVersion(&runtime), "runtime");
  *driver = "supports CUDA " + text(supported);
  *cuda = text(runtime);
#else
  (void)driver, (void)cuda;
#endif
}

inline std::size_t device_bytes_in_use() {
  std::size_t free_bytes = 0, all_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &all_bytes), "memory");
  return all_bytes - free_bytes;
}

}  // namespace qcface::bench
