// The part of the CUDA runtime that our host code calls, for the host compiler: device memory is host memory,
// streams and events are only names, because every call has finished when it returns. A test may have one stream
// run late instead (LateStream).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "kernels/emulation/types.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorUnknown = 999
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};
inline constexpr unsigned cudaStreamDefault = 0, cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0, cudaEventDisableTiming = 2;

struct CUstream_st;
struct CUevent_st;
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;

/// The new memory is filled with 0xFF (NaN). Its size is exact, so that AddressSanitizer sees the end of it.
cudaError_t cudaMalloc(void** pointer, std::size_t bytes);
template <class T>
cudaError_t cudaMalloc(T** pointer, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes);
template <class T>
cudaError_t cudaMallocHost(T** pointer, std::size_t bytes) {
  return cudaMallocHost(reinterpret_cast<void**>(pointer), bytes);
}
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMemcpy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);
cudaError_t cudaMemcpy2DAsync(void* target, std::size_t target_pitch, const void* source,
                              std::size_t source_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream = nullptr);
cudaError_t cudaMemset(void* target, int value, std::size_t bytes);
cudaError_t cudaMemsetAsync(void* target, int value, std::size_t bytes, cudaStream_t stream = nullptr);
cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* index);
cudaError_t cudaSetDevice(int index);
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes);

namespace qcface::emulation {

/// The device that device_facts() describes and whose limit of shared memory launches obey. Tests may change
/// it; it starts as an H100.
struct Device {
  const char* name = "emulated";
  int major = 9, minor = 0;
  int multiprocessors = 132;
  std::size_t shared_bytes_per_block = 227 << 10;
  std::size_t l2_bytes = 50 << 20;
  std::size_t memory_bytes = std::size_t{80} << 30;
};
Device& device();

/// Bytes that bulk_prefetch_l2 has asked for since the program started.
std::uint64_t bulk_prefetched_bytes();

/// While it lives, work on `stream` (nullptr: the default stream) is kept and done at the last moment that events and
/// synchronisation allow, so that another stream that forgot to wait finds its input not made, or this one finds its
/// input overwritten. One at a time.
class LateStream {
 public:
  explicit LateStream(cudaStream_t stream);
  ~LateStream();  // does what is left
  /// Pieces of work that nothing has waited for yet.
  std::size_t kept() const;
  LateStream(const LateStream&) = delete;
  LateStream& operator=(const LateStream&) = delete;
};

/// Runs work of a stream, or keeps it where the stream is late.
void enqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace qcface::emulation
