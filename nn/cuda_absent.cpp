// Stands in for the CUDA backend in builds without CUDA.
#include "core/error.h"
#include "nn/backend.h"

namespace qcface::nn {

int cuda_device_count(std::string* reason) {
  if (reason) *reason = "this program was built without CUDA";
  return 0;
}

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions&) {
  std::string reason;
  cuda_device_count(&reason);
  fail("CUDA: no usable GPU: {}", reason);
}

}  // namespace qcface::nn
