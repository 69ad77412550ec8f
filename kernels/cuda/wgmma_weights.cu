// Second pass of the wgmma plan over the device: one block for 64 classes. Reads unit_w once and, through L2, unit rows of x
// once a block; what the class update reads and writes is stated there. 2 * 2 N K D flops.
#include "kernels/cuda/wgmma_weights.cuh"

#include "kernels/cuda/class_update.cuh"

namespace qcface::kernels::cuda {
namespace {

struct FinishClass {
  ClassUpdate update;
  __device__ __forceinline__ bool blocked() const { return class_update_blocked(update); }
  __device__ __forceinline__ void row(std::int64_t klass, const float* h) const {
    update_class_row(update, klass, h);
  }
  __device__ __forceinline__ void prefetch(std::int64_t first, std::int64_t count) const {
    prefetch_class_rows(update, first, count);
  }
};

}  // namespace

cudaError_t wgmma_weights(const FusedWeights& call, cudaStream_t stream) {
  return run_wgmma_weights(call, FinishClass{call.update}, stream);
}

}  // namespace qcface::kernels::cuda
