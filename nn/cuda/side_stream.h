// A stream beside the one that layers compute on: it forks from that one and joins it again, by events, as a capture of the
// first stream asks for.
#pragma once

#include "nn/cuda/event.h"

namespace qcface::nn::cuda {

class SideStream {
 public:
  SideStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CUDA stream"); }
  ~SideStream() { cudaStreamDestroy(stream_); }  // what it still has to do is done
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  cudaStream_t stream() const { return stream_; }
  /// This stream waits for what `main` has been given until now. An event may be recorded anew at once: who waits for it keeps
  /// what it was.
  void fork_from(cudaStream_t main) {
    forked_.record(main);
    forked_.hold(stream_);
  }
  /// `main` waits for what this stream has been given until now.
  void join_into(cudaStream_t main) {
    joined_.record(stream_);
    joined_.hold(main);
  }

 private:
  cudaStream_t stream_ = nullptr;
  Event forked_, joined_;
};

}  // namespace qcface::nn::cuda
