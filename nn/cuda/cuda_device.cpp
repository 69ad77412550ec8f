// The doors of this device (nn/backend.h, nn/scoring/scorer.h); cuda_absent.cpp has those of a build without CUDA. One file, so
// that a program which links the emulated library takes all of them from there.
#include "nn/cuda/cuda_backend.h"
#include "nn/scoring/cuda/cuda_scorer.h"

namespace qcface::nn {

int cuda_device_count(std::string* reason) { return qcface::cuda::device_count(reason); }

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<cuda::CudaBackend>(options);
}

std::unique_ptr<Scorer> make_cuda_scorer(const CudaScorerOptions& options) {
  return std::make_unique<cuda::CudaScorer>(options);
}

}  // namespace qcface::nn
