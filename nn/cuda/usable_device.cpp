#include "nn/cuda/usable_device.h"

#include <cstring>

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

GpuId id_of_device([[maybe_unused]] int index) {
  GpuId id{};
#ifndef QCF_EMULATE
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, index), "CUDA device");
  static_assert(sizeof(properties.uuid) == sizeof(id));
  std::memcpy(id.data(), &properties.uuid, sizeof(id));
#endif
  return id;
}

}  // namespace qcface::nn::cuda
