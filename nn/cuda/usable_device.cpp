#include "nn/cuda/usable_device.h"

#include "core/error.h"
#include "nn/cuda/check.h"

namespace qcface::nn::cuda {

qcface::cuda::DeviceFacts use_device(int index) {
  std::string reason;
  const int count = qcface::cuda::device_count(&reason);
  require(count > 0, "CUDA: no usable GPU: {}", reason);
  require(index >= 0 && index < count, "CUDA: GPU {} was asked for, but there are {} (0 to {}); see --gpu_id",
          index, count, count - 1);
  qcface::cuda::DeviceFacts facts;
  check_cuda(qcface::cuda::device_facts(index, &facts), "CUDA device");
  require(facts.major >= 8, "{}: compute capability {}.{}, but the kernels need 8.0 or later", facts.name,
          facts.major, facts.minor);
  check_cuda(cudaSetDevice(index), "CUDA device");
  return facts;
}

}  // namespace qcface::nn::cuda
