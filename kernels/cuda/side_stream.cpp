#include "kernels/cuda/side_stream.h"

#include <cstddef>
#include <new>

#include "kernels/cuda/sequence.h"

namespace qcface::kernels::cuda {
namespace {

/// The member of the context; NULL if the caller was compiled before it was there.
void** member_of(const qcf_context* context) {
  constexpr std::size_t kEnd = offsetof(qcf_context, side_stream) + sizeof(void*);
  return context->struct_size >= kEnd ? const_cast<void**>(&context->side_stream) : nullptr;
}

SideStream* side_of(const qcf_context* context) {
  void** const member = member_of(context);
  return member != nullptr ? static_cast<SideStream*>(*member) : nullptr;
}

}  // namespace

qcf_status open_side_stream(qcf_context* context) {
  void** const member = member_of(context);
  if (member == nullptr) return QCF_OK;  // everything runs in line
  auto* const side = new (std::nothrow) SideStream;
  if (side == nullptr) return fail(context, QCF_UNSUPPORTED, "no memory for the second stream");
  *member = side;
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
  if (side == nullptr) return;
  *member_of(context) = nullptr;
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
