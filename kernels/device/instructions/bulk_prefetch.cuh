// cp.async.bulk.prefetch.L2 (sm_90): asks for a stretch of global memory to be brought into L2. Nothing waits for it and no
// register or shared memory is held, so one idle warp can ask for what a block will read much later.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

/// `from` and `bytes` are multiples of 16, bytes > 0. By one thread. A hint: values are not affected.
__device__ __forceinline__ void bulk_prefetch_l2(const void* from, std::uint32_t bytes QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::bulk_prefetch(from, bytes, site);
#else
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(__cvta_generic_to_global(from)), "r"(bytes)
               : "memory");
#endif
}

}  // namespace qcface::cuda
