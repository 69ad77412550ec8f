// Stands in for NCCL in builds without nccl.h, and where the device is emulated.
#include "core/error.h"
#include "nn/cuda/between_devices.h"

namespace qcface::nn::cuda {

std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator&, const NcclOptions&) {
  fail(
      "collectives between GPUs need NCCL, which this program was built without: build with CUDA and with "
      "nccl.h, which a "
      "CUDA toolkit, libnccl-dev or nvidia-nccl-cu13 from PyPI has");
}

}  // namespace qcface::nn::cuda
