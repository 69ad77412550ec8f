// A piece of work on a stream that is enqueued again and again: eagerly the first time, which makes the libraries load
// their kernels, then captured as a CUDA graph and replayed. Builds that emulate the device enqueue it every time.
#pragma once

#include "nn/cuda/cuda_backend.h"

namespace qcface::nn::cuda {

class StepGraph {
 public:
  StepGraph() = default;
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
#ifdef QCF_EMULATE
  template <class Body>
  void run(cudaStream_t, const Body& body) {
    body();
  }
#else
  ~StepGraph() {
    if (ready_ != nullptr) cudaGraphExecDestroy(ready_);
  }

  template <class Body>
  void run(cudaStream_t stream, const Body& body) {
    if (!warm_) {
      body();
      warm_ = true;
      return;
    }
    if (ready_ == nullptr) {
      cudaGraph_t graph = nullptr;
      check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                 "capture of a training step");
      try {
        body();
      } catch (...) {
        cudaStreamEndCapture(stream, &graph);
        if (graph != nullptr) cudaGraphDestroy(graph);
        throw;
      }
      check_cuda(cudaStreamEndCapture(stream, &graph), "capture of a training step");
      const cudaError_t status = cudaGraphInstantiate(&ready_, graph, 0);
      cudaGraphDestroy(graph);
      check_cuda(status, "CUDA graph of a training step");
    }
    check_cuda(cudaGraphLaunch(ready_, stream), "CUDA graph of a training step");
  }

 private:
  bool warm_ = false;
  cudaGraphExec_t ready_ = nullptr;
#endif
};

}  // namespace qcface::nn::cuda
