// Host side of the CUDA runtime: NVIDIA's under nvcc and for host files of the CUDA backend, the emulator's
// where QCF_EMULATE is defined. Adds what our code asks of a device.
#pragma once

#ifdef QCF_EMULATE
#include "kernels/emulation/runtime.h"
#else
#include <cuda_runtime_api.h>
#endif

#include <cstddef>
#include <string>

namespace qcface::cuda {

struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::size_t shared_bytes_per_block = 0;  // the most that a launch may ask for
  std::size_t l2_bytes = 0;
  std::size_t memory_bytes = 0;

  int architecture() const { return major * 10 + minor; }  // 80, 90, ...
};

/// Facts of device `index`. On error the facts are left as they are.
#ifdef QCF_EMULATE
inline cudaError_t device_facts(int index, DeviceFacts* facts) {
  if (index != 0) return cudaErrorInvalidDevice;
  const emulation::Device& d = emulation::device();
  *facts = {d.name,     d.major,       d.minor, d.multiprocessors, d.shared_bytes_per_block,
            d.l2_bytes, d.memory_bytes};
  return cudaSuccess;
}
#else
inline cudaError_t device_facts(int index, DeviceFacts* facts) {
  cudaDeviceProp properties{};
  const cudaError_t error = cudaGetDeviceProperties(&properties, index);
  if (error != cudaSuccess) return error;
  *facts = {properties.name,
            properties.major,
            properties.minor,
            properties.multiProcessorCount,
            properties.sharedMemPerBlockOptin,
            static_cast<std::size_t>(properties.l2CacheSize),
            properties.totalGlobalMem};
  return cudaSuccess;
}
#endif

/// Number of devices; 0 where there is no driver or no device (any error means that, and error is cleared): `reason`, if
/// given, then says why.
inline int device_count(std::string* reason = nullptr) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  if (status != cudaSuccess) cudaGetLastError();
  if (reason) *reason = status == cudaSuccess ? "the driver reports no device" : cudaGetErrorString(status);
  return 0;
}

}  // namespace qcface::cuda
