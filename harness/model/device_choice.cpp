#include "harness/model/device_choice.h"

#include <string>

#include "core/log.h"
#include "harness/console/usage.h"

namespace qcface::model {

int gpu_of_rank(std::span<const int> gpus, const Communicator& communicator) {
  const int here = communicator.local_size();
  if (gpus.size() == 1) {
    const int count = nn::cuda_device_count(nullptr);
    return here == 1 || count == 0 ? gpus[0] : (gpus[0] + communicator.local_rank()) % count;
  }
  const std::string named = fmt::format("{}", fmt::join(gpus, " "));
  require_usage(
      communicator.size() > 1,
      "--gpu_id {}: a process trains on one GPU, but {} are named; start one for each: mpirun -n {} "
      "qcface train --gpu_id {} ... (docs/scale.md)",
      named, gpus.size(), gpus.size(), named);
  require_usage(static_cast<int>(gpus.size()) == here,
                "--gpu_id {}: {} GPUs are named for the {} processes on this machine: name one for each",
                named, gpus.size(), here);
  return gpus[static_cast<std::size_t>(communicator.local_rank())];
}

nn::DeviceChoice choose_device(std::optional<nn::DeviceKind> wanted, int gpu, nn::Precision precision) {
  if (wanted != nn::DeviceKind::kCpu) {
    std::string reason;
    const int count = nn::cuda_device_count(&reason);
    require(count > 0 || !wanted, "--device cuda: no usable GPU: {}; use --device cpu", reason);
    if (count > 0) {
      require_usage(gpu >= 0 && gpu < count, "--gpu_id {}: there are {} GPUs, numbered from 0", gpu, count);
      return {nn::DeviceKind::kCuda, gpu};
    }
    log::info("device: cpu (no usable GPU: {})", reason);
  }
  require_usage(precision == nn::Precision::kFp32, "--precision {}: the CPU computes in fp32 only",
                name_of(precision));
  return {};
}

}  // namespace qcface::model
