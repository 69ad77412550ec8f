// Last kernel of a chunk in the second pass: H [chunk, D] -> dw and/or the SGD step and the refreshed unit rows. One warp a
// class row; the work is class_update.cuh's, which states the bytes. H is read twice, from L2 and then L1.
#include "kernels/cuda/class_update.cuh"

#include "kernels/cuda/launches.h"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kRowsPerBlock = 4;

__global__ __launch_bounds__(32 * kRowsPerBlock) void class_update_kernel(
    const __grid_constant__ ClassUpdate update, std::int64_t first_class, std::int64_t classes,
    const float* h, std::int64_t stride) {
  if (class_update_blocked(update)) return;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32;
  if (row >= classes) return;  // whole warps
  update_class_row(update, first_class + row, h != nullptr ? h + row * stride : nullptr);
}

}  // namespace

cudaError_t class_update(const ClassUpdate& update, std::int64_t first_class, std::int64_t classes,
                         const float* h, std::int64_t stride, cudaStream_t stream) {
  return launch(class_update_kernel, static_cast<unsigned>((classes + kRowsPerBlock - 1) / kRowsPerBlock),
                32 * kRowsPerBlock, 0, stream, update, first_class, classes, h, stride);
}

}  // namespace qcface::kernels::cuda
