// Sums and maxima over a warp or a block, in a fixed order: the same bits for the same inputs every time.
// Every thread gets the result. Warps must be whole; for a block, Threads must be the size of the
// (one-dimensional) block.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

/// Butterfly over 16, 8, 4, 2, 1: all lanes hold the same bits afterwards.
template <class T>
__device__ __forceinline__ T warp_sum(T value QCF_SITE) {
#ifdef QCF_EMULATE
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(~0u, value, step, 32, site);
#else
  QCF_UNROLL for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(~0u, value, step);
#endif
  return value;
}

template <class T>
__device__ __forceinline__ T warp_max(T value QCF_SITE) {
#ifdef QCF_EMULATE
  for (int step = 16; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(~0u, value, step, 32, site);
    value = other > value ? other : value;
  }
#else
  QCF_UNROLL for (int step = 16; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(~0u, value, step);
    value = other > value ? other : value;
  }
#endif
  return value;
}

/// Sum over a block of Threads (a multiple of 32, at most 1024). `scratch` is shared memory of Threads / 32
/// elements that nobody else uses; it may be used again at once, because the first barrier here protects what
/// went before.
template <int Threads, class T>
__device__ __forceinline__ T block_sum(T value, T* scratch QCF_SITE) {
  static_assert(Threads % 32 == 0 && Threads <= 1024);
#ifdef QCF_EMULATE
#define QCF_PASS_SITE site
#define QCF_PASS_SITE_TOO , site
#else
#define QCF_PASS_SITE
#define QCF_PASS_SITE_TOO
#endif
  value = warp_sum(value QCF_PASS_SITE_TOO);
  if constexpr (Threads == 32) return value;
  __syncthreads(QCF_PASS_SITE);  // the last use of scratch has ended
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads(QCF_PASS_SITE);
  T total = scratch[0];
  QCF_UNROLL for (int warp = 1; warp < Threads / 32; ++warp) total += scratch[warp];
  return total;
}

template <int Threads, class T>
__device__ __forceinline__ T block_max(T value, T* scratch QCF_SITE) {
  static_assert(Threads % 32 == 0 && Threads <= 1024);
  value = warp_max(value QCF_PASS_SITE_TOO);
  if constexpr (Threads == 32) return value;
  __syncthreads(QCF_PASS_SITE);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads(QCF_PASS_SITE);
  T total = scratch[0];
  QCF_UNROLL for (int warp = 1; warp < Threads / 32; ++warp) total =
      scratch[warp] > total ? scratch[warp] : total;
  return total;
}

}  // namespace qcface::cuda

#undef QCF_PASS_SITE
#undef QCF_PASS_SITE_TOO
