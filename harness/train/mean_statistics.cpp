#include "harness/train/mean_statistics.h"

#include "nn/backend.h"

namespace qcface::train {

MeanStatistics::MeanStatistics(nn::ParameterStore& store, Communicator& communicator) : store_(store) {
  if (communicator.size() == 1) return;
  const std::span<float> buffers = store.buffers();
  own_.resize(buffers.size());
  store.backend().copy_to_host(own_.data(), buffers.data(), buffers.size_bytes());
  std::vector<double> mean(own_.begin(), own_.end());
  communicator.all_reduce(array_of(mean.data(), static_cast<std::int64_t>(mean.size())), Reduce::kSum);
  std::vector<float> shown(mean.size());
  for (std::size_t i = 0; i < mean.size(); ++i) shown[i] = static_cast<float>(mean[i] / communicator.size());
  store.backend().copy_to_device(buffers.data(), shown.data(), buffers.size_bytes());
}

MeanStatistics::~MeanStatistics() {
  if (own_.empty()) return;
  const std::span<float> buffers = store_.buffers();
  store_.backend().copy_to_device(buffers.data(), own_.data(), buffers.size_bytes());
}

}  // namespace qcface::train
