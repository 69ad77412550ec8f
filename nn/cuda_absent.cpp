// Stands in for the CUDA backend and scorer in builds without CUDA.
#include "core/error.h"
#include "nn/backend.h"
#include "nn/device_communicator.h"
#include "nn/scoring/scorer.h"

namespace qcface::nn {

int cuda_device_count(std::string* reason) {
  if (reason) *reason = "this program was built without CUDA";
  return 0;
}

namespace {
[[noreturn]] void refuse() {
  std::string reason;
  cuda_device_count(&reason);
  fail("CUDA: no usable GPU: {}", reason);
}
}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions&) { refuse(); }

std::unique_ptr<Scorer> make_cuda_scorer(const CudaScorerOptions&) { refuse(); }

std::unique_ptr<DeviceCommunicator> make_device_communicator(Communicator&, const NcclOptions&) { refuse(); }

}  // namespace qcface::nn
