// The two ways of arrays between GPUs, of which make_device_communicator chooses one. `host` is borrowed by both.
#pragma once

#include "nn/device_communicator.h"

namespace qcface::nn::cuda {

/// NCCL's. Made by all ranks together, each on a GPU of its own, which is the calling thread's. Errors: no NCCL in this build;
/// libnccl.so.2 that cannot be loaded; what NCCL reports. After an Error of NCCL or of a timeout its work is aborted, and the
/// ranks can only be ended.
std::unique_ptr<DeviceCommunicator> make_nccl_communicator(Communicator& host, const NcclOptions& options);

/// Through the host: arrays are copied to page-locked memory as large as the largest of them, `host` does the collective, and the
/// result is copied back; its bits, errors and seconds. Returns when all is done.
std::unique_ptr<DeviceCommunicator> make_staged_communicator(Communicator& host);

}  // namespace qcface::nn::cuda
