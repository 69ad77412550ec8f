// The GPU that a backend or a scorer works on.
#pragma once

#include "kernels/device/runtime.h"
#include "nn/device_communicator.h"

namespace qcface::nn::cuda {

/// Makes GPU `index` the calling thread's and returns its facts. Throws Error where there is none, or one that is too old.
qcface::cuda::DeviceFacts use_device(int index);

/// Its UUID; zeros for the emulated one.
GpuId id_of_device(int index);

}  // namespace qcface::nn::cuda
