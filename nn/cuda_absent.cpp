// Stands in for the CUDA backend in builds without CUDA.
#include "core/error.h"
#include "nn/backend.h"

namespace qcface::nn {

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions&) {
  fail("CUDA: no usable GPU: this program was built without CUDA");
}

}  // namespace qcface::nn
