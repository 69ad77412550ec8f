#include "core/error.h"
#include "nn/cuda/cuda_backend.h"
#include "nn/cuda/sgd.h"
#include "tests/nn/test_backend.h"
#include "tests/support/device_buffer.h"

namespace qcface::test {

std::unique_ptr<nn::Backend> make_backend(int) {
  if (!no_backend_reason().empty()) return nullptr;
  return nn::make_cuda_backend();
}

const std::string& no_backend_reason() {
  static const std::string reason = cuda::device_count() > 0 ? "" : "no GPU on this machine";
  return reason;
}

void sgd_step(nn::ParameterStore& store, const nn::SgdStep& step) {
  const auto& backend = dynamic_cast<const nn::cuda::CudaBackend&>(store.backend());
  const DeviceBuffer<float> lr(std::vector<float>{step.lr});
  nn::cuda::SgdUpdate update;
  update.count = static_cast<std::int64_t>(store.weights().size());
  update.weights = store.weights().data();
  update.gradients = store.gradients().data();
  update.velocity = store.momentum().data();
  update.copy = store.working();
  update.copy_type = backend.type();
  update.lr = lr.data();
  update.momentum = step.momentum;
  update.weight_decay = step.weight_decay;
  update.first = step.first;
  nn::cuda::sgd_update(update, backend.stream());
  backend.synchronize();
}

}  // namespace qcface::test
