#include "kernels/cuda/side_stream.h"

#include <new>

#include "kernels/cuda/sequence.h"

namespace qcface::kernels::cuda {
namespace {

SideStream* side_of(const qcf_context* context) { return static_cast<SideStream*>(context->side_stream); }

}  // namespace

qcf_status open_side_stream(qcf_context* context) {
  auto* const side = new (std::nothrow) SideStream;
  if (side == nullptr) return fail(context, QCF_UNSUPPORTED, "no memory for the second stream");
  context->side_stream = side;
  Sequence run(context);
  run(cudaStreamCreateWithFlags(&side->stream, cudaStreamNonBlocking), "the second stream");
  for (int i = 0; i < SideStream::kBuffers; ++i) {
    for (cudaEvent_t* event : {&side->made[i], &side->done[i]}) {
      if (run.ok())
        run(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "an event of the second stream");
    }
  }
  if (!run.ok()) close_side_stream(context);
  return run.status();
}

void close_side_stream(qcf_context* context) {
  SideStream* const side = side_of(context);
  context->side_stream = nullptr;
  if (side == nullptr) return;
  for (int i = 0; i < SideStream::kBuffers; ++i) {
    for (cudaEvent_t event : {side->made[i], side->done[i]}) {
      if (event != nullptr) (void)cudaEventDestroy(event);
    }
  }
  if (side->stream != nullptr) (void)cudaStreamDestroy(side->stream);
  delete side;
}

SideWork::SideWork(const qcf_context* context, int buffers)
    : stream_(stream_of(context)), side_(buffers > 0 ? side_of(context) : nullptr), buffers_(buffers) {}

cudaError_t SideWork::before_fill(std::int64_t i) const {
  if (side_ == nullptr || i < buffers_) return cudaSuccess;
  return cudaStreamWaitEvent(stream_, side_->done[i % buffers_], 0);
}

cudaError_t SideWork::begin(std::int64_t i, cudaStream_t* stream) const {
  *stream = stream_;
  if (side_ == nullptr) return cudaSuccess;
  *stream = side_->stream;
  const cudaEvent_t made = side_->made[i % buffers_];
  const cudaError_t error = cudaEventRecord(made, stream_);
  return error != cudaSuccess ? error : cudaStreamWaitEvent(side_->stream, made, 0);
}

cudaError_t SideWork::end(std::int64_t i) {
  if (side_ == nullptr) return cudaSuccess;
  last_ = i;
  return cudaEventRecord(side_->done[i % buffers_], side_->stream);
}

cudaError_t SideWork::join() {
  if (side_ == nullptr || last_ < 0) return cudaSuccess;
  return cudaStreamWaitEvent(stream_, side_->done[last_ % buffers_], 0);
}

}  // namespace qcface::kernels::cuda
