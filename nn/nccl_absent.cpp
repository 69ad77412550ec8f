// Stands in for NCCL in builds without CUDA or without nccl.h.
#include "core/error.h"
#include "nn/device_communicator.h"

namespace qcface::nn {

std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator&, const NcclOptions&) {
  fail(
      "collectives between GPUs need NCCL, which this program was built without: build with CUDA and with "
      "nccl.h, which a "
      "CUDA toolkit, libnccl-dev or nvidia-nccl-cu13 from PyPI has");
}

}  // namespace qcface::nn
