// First pass of the wgmma plan over the device; grid and traffic as for mma_sums.cu.
#include "kernels/cuda/wgmma_sums.cuh"

#include "kernels/cuda/dispatch.h"

namespace qcface::kernels::cuda {

cudaError_t wgmma_sums(const FusedSums& call, cudaStream_t stream) {
  if (call.shape.n == 0) return cudaSuccess;
  return dispatch_negatives_type(call.kind, call.shape.type, [&]<class Negatives, class T>() -> cudaError_t {
    constexpr auto kNone = WgmmaDefect::kNone;
    if (call.shape.d <= 128) return run_wgmma_sums<WgmmaShape<128>, Negatives, T, kNone>(call, stream);
    if (call.shape.d <= 256) return run_wgmma_sums<WgmmaShape<256>, Negatives, T, kNone>(call, stream);
    return run_wgmma_sums<WgmmaShape<512>, Negatives, T, kNone>(call, stream);
  });
}

}  // namespace qcface::kernels::cuda
