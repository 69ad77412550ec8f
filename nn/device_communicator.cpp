#include "nn/device_communicator.h"

#include <algorithm>

namespace qcface::nn {

std::optional<std::pair<int, int>> ranks_on_one_gpu(std::span<const GpuId> gpus) {
  for (auto first = gpus.begin(); first != gpus.end(); ++first) {
    const auto second = std::find(first + 1, gpus.end(), *first);
    if (second != gpus.end())
      return std::pair(static_cast<int>(first - gpus.begin()), static_cast<int>(second - gpus.begin()));
  }
  return std::nullopt;
}

}  // namespace qcface::nn
