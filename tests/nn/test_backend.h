// The backend that a test program is built for, so that tests are written once: qcface_tests_nn runs them on the CPU
// backend, qcface_tests_nn_emulated on the CUDA backend with the device emulated, qcface_tests_nn_cuda on a GPU.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "nn/backend.h"
#include "nn/network.h"
#include "nn/optimiser.h"
#include "nn/parameters.h"
#include "tests/support/catch.h"

namespace qcface::test {

/// Null where the backend cannot run on this machine; no_backend_reason() then says why. threads: on the CPU.
std::unique_ptr<nn::Backend> make_backend(int threads = 0);
const std::string& no_backend_reason();

/// One step of the optimiser on the backend's device.
inline void update(nn::ParameterStore& store, float rate, const nn::OptimiserSettings& settings) {
  const nn::Backend& backend = store.backend();
  const nn::Memory device_rate = backend.allocate(sizeof rate, "rate");
  backend.copy_to_device(device_rate.data(), &rate, sizeof rate);
  nn::UpdateCall call;
  call.count = store.weights().size();
  call.weights = store.weights().data();
  call.gradients = store.gradients().data();
  call.slot = store.slot().data();
  call.working = store.working();
  call.rate = device_rate.floats().data();
  backend.update(settings, call);
  backend.synchronize();
}

/// What lies behind a span of the store, on the host.
inline std::vector<float> read(const nn::ParameterStore& store, std::span<const float> storage) {
  std::vector<float> host(storage.size());
  store.backend().copy_to_host(host.data(), storage.data(), storage.size_bytes());
  return host;
}

/// NaN in every gradient, so that one that is not written shows.
inline void poison_gradients(nn::ParameterStore& store) {
  for (std::size_t i = 0; i < store.tensors().size(); ++i) {
    const nn::TensorSpec& spec = store.tensors()[i];
    if (spec.kind != nn::TensorKind::kWeight) continue;
    store.copy_in(i, std::vector<float>(spec.elements(), NAN), nn::TensorRole::kGradient);
  }
}

}  // namespace qcface::test

/// Declares `name`, the backend under test, or leaves the test case as skipped.
#define QCFACE_BACKEND(name, ...)                              \
  const auto name = ::qcface::test::make_backend(__VA_ARGS__); \
  if (!name) QCFACE_SKIP(::qcface::test::no_backend_reason().c_str())
