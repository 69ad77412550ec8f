// First pass of the mma plan over the device: grid (row tiles, parts of the classes), then the parts are combined. Row tiles
// vary fastest, so that the blocks that run together share their class rows through L2: unit_w (2 K D bytes) is read from
// memory once, unit rows of x (2 N D bytes) once a part. 2 * 2 N K D flops with vectors, half without.
#include "kernels/cuda/mma_sums.cuh"

#include "kernels/cuda/dispatch.h"

namespace qcface::kernels::cuda {
namespace {

template <int kDim, class Negatives, class T>
cudaError_t run(const FusedSums& call, cudaStream_t stream) {
  using Shape = MmaShape<kDim>;
  const int d = static_cast<int>(call.shape.d);
  const MmaSums<T> args{{static_cast<const T*>(call.unit_x), call.shape.n, d},
                        {static_cast<const T*>(call.unit_w), call.shape.k_loc, d},
                        call.s,
                        call.mv_a,
                        call.t,
                        call.margin,
                        call.target_c,
                        call.label,
                        call.plain,
                        call.vectors,
                        call.parts,
                        call.partials,
                        call.errors};
  const dim3 grid(static_cast<unsigned>((call.shape.n + Shape::kRows - 1) / Shape::kRows),
                  static_cast<unsigned>(call.parts));
  return launch(mma_sums_kernel<Shape, Negatives, T, MmaDefect::kNone>, grid, Shape::kThreads, Shape::kBytes,
                stream, args);
}

}  // namespace

cudaError_t mma_sums(const FusedSums& call, cudaStream_t stream) {
  if (call.shape.n == 0) return cudaSuccess;
  const cudaError_t error =
      dispatch_negatives_type(call.kind, call.shape.type, [&]<class Negatives, class T>() -> cudaError_t {
        if (call.shape.d <= 128) return run<128, Negatives, T>(call, stream);
        if (call.shape.d <= 256) return run<256, Negatives, T>(call, stream);
        return run<512, Negatives, T>(call, stream);
      });
  return error != cudaSuccess ? error : fused_combine(call, stream);
}

}  // namespace qcface::kernels::cuda
