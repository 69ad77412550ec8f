// What a training step asks of the CPU backend beside its layers: pictures in, embeddings out, the decision about an update
// and the update.
#include <qcface/kernels.h>

#include <cstring>

#include "core/error.h"
#include "kernels/device/parallel.h"
#include "nn/cpu/cpu_backend.h"

namespace qcface::nn::cpu {

void CpuBackend::import_images(const Value& value, int n, const DeviceImages& images, void* device) const {
  require((images.pixels != nullptr) != (images.canonical != nullptr),
          "{}: images are given as pixels or as fp32 values, one of the two", value.name);
  if (images.canonical != nullptr) return import_value(value, n, images.canonical, device);
  require(value.shape.channels == 3 && value.layout == Layout::kPlain && images.normalisation != nullptr,
          "{}: pixels need an input of 3 channels and a normalisation table; this one is {}", value.name,
          to_string(value.shape));
  const std::int64_t plane = std::int64_t{value.shape.height} * value.shape.width;
  float* const to = static_cast<float*>(device);
  parallel_for(std::int64_t{n} * 3, threads_, [&](std::int64_t task) {
    const std::uint8_t* const from = images.pixels + task / 3 * plane * 3 + task % 3;
    const float* const table = images.normalisation + task % 3 * 256;
    for (std::int64_t i = 0; i < plane; ++i) to[task * plane + i] = table[from[i * 3]];
  });
}

void CpuBackend::import_gradient(const Value& value, int n, const float* gradient, const float* scale,
                                 void* device) const {
  require(value.shape.flat && scale == nullptr, "{}: the CPU takes the gradient of vectors, unscaled",
          value.name);
  import_value(value, n, gradient, device);
}

void CpuBackend::export_rows(const Value& value, int n, const void* device, float* rows) const {
  require(value.shape.flat, "{}: only vectors are handed out as rows; this is {}", value.name,
          to_string(value.shape));
  export_value(value, n, device, rows);
}

void CpuBackend::bind(qcf_context* context) const {
  context->device = QCF_DEVICE_CPU;
  context->threads = threads_;
}

void CpuBackend::copy(void* to, const void* from, std::size_t bytes) const {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void CpuBackend::fill(void* memory, unsigned char byte, std::size_t bytes) const {
  if (bytes > 0) std::memset(memory, byte, bytes);
}

void CpuBackend::add(float* sum, const float* values, std::size_t count) const {
  parallel_for_range(static_cast<std::int64_t>(count), 64 * 1024, threads_,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t i = begin; i < end; ++i) sum[i] += values[i];
                     });
}

void CpuBackend::check_finite(const float* values, std::size_t count, FiniteRecord* record) const {
  if (!all_finite({values, count}, threads_)) record->key = 0;
}

void CpuBackend::settle_update(const float* gradients, std::size_t count, bool, StepControl* control) const {
  control->gradients = {};
  check_finite(gradients, count, &control->gradients);
  if (control->gradients.key != kAllFinite || control->embeddings.key != kAllFinite) control->scale.skip = 1;
}

void CpuBackend::update(const OptimiserSettings& settings, const UpdateCall& call) const {
  if (call.skip != nullptr && *call.skip != 0) return;
  update_weights({call.weights, call.count}, {call.gradients, call.count}, {call.slot, call.count},
                 *call.rate, settings, threads_);
}

std::unique_ptr<StepQueue> CpuBackend::make_step_queue(std::size_t input_bytes, const void* results,
                                                       std::size_t, bool) const {
  return make_immediate_queue(input_bytes, results);
}

}  // namespace qcface::nn::cpu
