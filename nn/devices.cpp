// The one place where devices are told apart: above it there are backends and scorers, below it one folder a device.
#include "core/error.h"
#include "nn/backend.h"
#include "nn/scoring/scorer.h"

namespace qcface::nn {

const char* name_of(DeviceKind kind) { return kind == DeviceKind::kCuda ? "cuda" : "cpu"; }

const char* name_of(Precision precision) {
  return precision == Precision::kFp32 ? "fp32" : precision == Precision::kBf16 ? "bf16" : "fp16";
}

std::unique_ptr<Backend> make_backend(const DeviceChoice& device, Precision precision, int threads) {
  if (device.kind == DeviceKind::kCuda) return make_cuda_backend({device.index, precision, false});
  require(precision == Precision::kFp32, "{}: the CPU computes in fp32 only", name_of(precision));
  return make_cpu_backend(threads);
}

std::unique_ptr<Scorer> make_scorer(const DeviceChoice& device, int threads) {
  if (device.kind == DeviceKind::kCuda) return make_cuda_scorer({device.index});
  return make_cpu_scorer(threads);
}

}  // namespace qcface::nn
