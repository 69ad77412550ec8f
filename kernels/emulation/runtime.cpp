#include "kernels/emulation/runtime.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>
#include <stdexcept>
#include <utility>

namespace qcface::emulation {

Device& device() {
  static Device value;
  return value;
}

namespace {

/// The late stream, if there is one.
struct Late {
  bool exists = false;
  cudaStream_t stream = nullptr;
  std::deque<std::function<void()>> kept;
  long long enqueued = 0, done = 0;  // pieces of work, counted from the start

  bool is(cudaStream_t s) const { return exists && s == stream; }
  void run_until(long long count) {
    while (done < count && !kept.empty()) {
      const std::function<void()> work = std::move(kept.front());
      kept.pop_front();
      ++done;
      work();
    }
  }
  void run_all() { run_until(enqueued); }
};

Late& late() {
  static Late value;
  return value;
}

}  // namespace

LateStream::LateStream(cudaStream_t stream) {
  if (late().exists) throw std::logic_error("emulation: one stream is late already");
  late() = Late{};
  late().exists = true;
  late().stream = stream;
}
LateStream::~LateStream() {
  late().run_all();
  late().exists = false;
}
std::size_t LateStream::kept() const { return late().kept.size(); }

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (!late().is(stream)) return work();
  late().kept.push_back(std::move(work));
  ++late().enqueued;
}

}  // namespace qcface::emulation

using qcface::emulation::late;

struct CUstream_st {
  unsigned flags;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point time;
  bool on_late_stream = false;
  long long after = 0;  // pieces of the late stream's work that come before it
};

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (::posix_memalign(pointer, 256, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xFF, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  late().run_all();
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) { return cudaMalloc(pointer, bytes); }
cudaError_t cudaFreeHost(void* pointer) { return cudaFree(pointer); }

cudaError_t cudaMemcpy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind) {
  late().run_all();
  if (bytes > 0) std::memmove(target, source, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  qcface::emulation::enqueue(stream, [=] {
    if (bytes > 0) std::memmove(target, source, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void* target, std::size_t target_pitch, const void* source,
                              std::size_t source_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  if (width > target_pitch || width > source_pitch) return cudaErrorInvalidValue;
  for (std::size_t row = 0; row < height; ++row) {
    cudaMemcpyAsync(static_cast<char*>(target) + row * target_pitch,
                    static_cast<const char*>(source) + row * source_pitch, width, kind, stream);
  }
  return cudaSuccess;
}
cudaError_t cudaMemset(void* target, int value, std::size_t bytes) {
  late().run_all();
  if (bytes > 0) std::memset(target, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* target, int value, std::size_t bytes, cudaStream_t stream) {
  qcface::emulation::enqueue(stream, [=] {
    if (bytes > 0) std::memset(target, value, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  *stream = new (std::nothrow) CUstream_st{flags};
  return *stream == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (late().is(stream)) late().run_all();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->on_late_stream && !late().is(stream)) late().run_until(event->after);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new (std::nothrow) CUevent_st{};
  return *event == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->time = std::chrono::steady_clock::now();
  event->on_late_stream = late().is(stream);
  event->after = late().enqueued;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->on_late_stream) late().run_until(event->after);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  late().run_all();
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    default:
      return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* index) {
  *index = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int index) { return index == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  *free_bytes = *total_bytes = qcface::emulation::device().memory_bytes;
  return cudaSuccess;
}
