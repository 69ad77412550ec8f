// A second stream beside the context's, for work of one chunk that may run while the next chunk is made. Both streams wait
// for events only, so that a capture of the context's stream takes the second one in and gets it back.
#pragma once

#include "kernels/device/runtime.h"
#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

struct SideStream {
  static constexpr int kBuffers = 2;
  cudaStream_t stream = nullptr;
  cudaEvent_t made[kBuffers] = {};  // on the context's stream: the buffer is full
  cudaEvent_t done[kBuffers] = {};  // on this stream: the buffer is free again
};

/// Makes context->side_stream / destroys it (NULL is allowed).
qcf_status open_side_stream(qcf_context* context);
void close_side_stream(qcf_context* context);

/// The hand-over of `buffers` buffers in turn. With none, or without a side stream, everything runs in line on the context's
/// stream.
class SideWork {
 public:
  SideWork(const qcf_context* context, int buffers);
  /// The context's stream waits until chunk number i may fill its buffer.
  cudaError_t before_fill(std::int64_t i) const;
  /// After the buffer was filled: the stream that reads it, which waits for that.
  cudaError_t begin(std::int64_t i, cudaStream_t* stream) const;
  /// After the reader was enqueued.
  cudaError_t end(std::int64_t i);
  /// The context's stream waits for all of it. After an error too, or a capture would keep the second stream.
  cudaError_t join();

 private:
  cudaStream_t stream_;
  const SideStream* side_;
  int buffers_;
  std::int64_t last_ = -1;  // the last chunk whose reader was enqueued
};

}  // namespace qcface::kernels::cuda
