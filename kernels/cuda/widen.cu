// A 16-bit matrix in fp32, exactly. Why: x is read by five kernels whose arithmetic is fp32 or wider; its N D values are
// little beside the K D of the class weights. Reads 2 bytes a value, writes 4.
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launches.h"
#include "kernels/device/device.cuh"
#include "kernels/device/types.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = 256;

template <class T>
__global__ __launch_bounds__(kThreads) void widen_kernel(const T* values, std::int64_t count, float* wide) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) wide[i] = to_float(values[i]);
}

}  // namespace

cudaError_t widen(const void* values, qcf_type type, std::int64_t count, float* wide, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  return for_operand(type, [&](auto element) {
    using T = typename decltype(element)::type;
    return launch(widen_kernel<T>, static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads, 0,
                  stream, static_cast<const T*>(values), count, wide);
  });
}

}  // namespace qcface::kernels::cuda
