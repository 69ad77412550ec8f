#include "harness/model/device_choice.h"

#include <string>

#include "core/log.h"
#include "harness/console/usage.h"

namespace qcface::model {

nn::DeviceChoice choose_device(std::optional<nn::DeviceKind> wanted, std::span<const int> gpus,
                               nn::Precision precision) {
  if (wanted != nn::DeviceKind::kCpu) {
    std::string reason;
    const int count = nn::cuda_device_count(&reason);
    require(count > 0 || !wanted, "--device cuda: no usable GPU: {}; use --device cpu", reason);
    if (count > 0) {
      require_usage(gpus.size() == 1, "--gpu_id: this version trains on one GPU, but {} were named",
                    gpus.size());
      require_usage(gpus[0] >= 0 && gpus[0] < count, "--gpu_id {}: there are {} GPUs, numbered from 0",
                    gpus[0], count);
      return {nn::DeviceKind::kCuda, gpus[0]};
    }
    log::info("device: cpu (no usable GPU: {})", reason);
  }
  require_usage(precision == nn::Precision::kFp32, "--precision {}: the CPU computes in fp32 only",
                name_of(precision));
  return {};
}

}  // namespace qcface::model
