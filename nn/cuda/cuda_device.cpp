// The doors of this device (nn/backend.h, nn/device_communicator.h, nn/scoring/scorer.h); cuda_absent.cpp has those of a build
// without CUDA. One file, so that a program which links the emulated library takes all of them from there.
#include <vector>

#include "core/log.h"
#include "nn/cuda/between_devices.h"
#include "nn/cuda/cuda_backend.h"
#include "nn/cuda/usable_device.h"
#include "nn/scoring/cuda/cuda_scorer.h"

namespace qcface::nn {

int cuda_device_count(std::string* reason) { return qcface::cuda::device_count(reason); }

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<cuda::CudaBackend>(options);
}

std::unique_ptr<Scorer> make_cuda_scorer(const CudaScorerOptions& options) {
  return std::make_unique<cuda::CudaScorer>(options);
}

std::unique_ptr<Communicator> make_device_communicator(Communicator& host, const NcclOptions& options) {
  cuda::use_device(options.device);
  const GpuId own = cuda::id_of_device(options.device);
  std::vector<GpuId> all(static_cast<std::size_t>(host.size()));
  host.all_gather(array_of(own.data(), 1, sizeof(GpuId)),
                  array_of(all.front().data(), host.size(), sizeof(GpuId)));
  const auto pair = ranks_on_one_gpu(all);
  if (!pair) return cuda::make_nccl_communicator(host, options);
  if (host.rank() == 0)
    log::warn(
        "ranks {} and {} use the same GPU, which NCCL refuses: arrays go through the host. That is slow, and "
        "meant for trying out: start a process a GPU, or name one for each with --gpu_id",
        pair->first, pair->second);
  return cuda::make_staged_communicator(host);
}

}  // namespace qcface::nn
