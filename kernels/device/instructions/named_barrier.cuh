// Barriers 1 to 15 of a block (0 is __syncthreads), for part of its warps: `threads` of them, a multiple of
// 32, make one phase. named_barrier_arrive counts without waiting, so a producer need not wait for its
// consumers.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

__device__ __forceinline__ void named_barrier_sync(int id, int threads QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::barrier_sync(id, threads, false, "named barrier", site);
#else
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}

__device__ __forceinline__ void named_barrier_arrive(int id, int threads QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::barrier_arrive(id, threads, site);
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}

}  // namespace qcface::cuda
