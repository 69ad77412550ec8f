#include "core/device.h"

#if QCFACE_HAS_CUDA
#include <cuda_runtime_api.h>
#endif

namespace qcface {

int cuda_device_count(std::string* reason) {
#if QCFACE_HAS_CUDA
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  if (reason) *reason = status == cudaSuccess ? "the driver reports no device" : cudaGetErrorString(status);
  return 0;
#else
  if (reason) *reason = "this program was built without CUDA";
  return 0;
#endif
}

}  // namespace qcface
