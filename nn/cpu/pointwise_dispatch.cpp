#include "nn/cpu/pointwise_kernels.h"

namespace qcface::nn::cpu {

const PointwiseKernels& pointwise_kernels(int block) {
  const bool wide = block == 16;
#ifdef QCFACE_X86
  if (__builtin_cpu_supports("avx512f")) return wide ? detail::kAvx512x16 : detail::kAvx512x8;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return wide ? detail::kAvx2x16 : detail::kAvx2x8;
#endif
  return wide ? detail::kBase16 : detail::kBase8;
}

}  // namespace qcface::nn::cpu
