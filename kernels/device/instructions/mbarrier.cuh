// mbarrier (sm_90): a 64-bit object in shared memory that counts arrivals and bytes of bulk copies. A phase
// ends when `count` arrivals have come and every announced byte has landed; phases alternate in parity,
// beginning with 0.
//
//   full:  the producer calls mbarrier_expect_tx and starts copies, consumers mbarrier_wait(full, round & 1)
//   empty: consumers mbarrier_arrive, the producer mbarrier_wait(empty, (round & 1) ^ 1); the first
//          such wait, on a fresh barrier, passes at once
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

#ifndef QCF_EMULATE
namespace detail {
__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}
}  // namespace detail
#endif

/// By one thread. Then mbarrier_init_fence by the same thread and a block barrier, before anyone uses it.
__device__ __forceinline__ void mbarrier_init(std::uint64_t* barrier, int count QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::mbarrier_init(barrier, count, site);
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(detail::shared_address(barrier)), "r"(count)
               : "memory");
#endif
}

/// Makes initialised barriers visible to the copy engine.
__device__ __forceinline__ void mbarrier_init_fence() {
#ifndef QCF_EMULATE
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/// Orders this thread's ordinary accesses to shared memory before later ones of TMA and wgmma.
__device__ __forceinline__ void async_proxy_fence() {
#ifndef QCF_EMULATE
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

__device__ __forceinline__ void mbarrier_arrive(std::uint64_t* barrier QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::mbarrier_arrive(barrier, 0, site);
#else
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(detail::shared_address(barrier)) : "memory");
#endif
}

/// One arrival that announces `bytes` of bulk copies for this phase.
__device__ __forceinline__ void mbarrier_expect_tx(std::uint64_t* barrier, std::uint32_t bytes QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::mbarrier_arrive(barrier, bytes, site);
#else
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(detail::shared_address(barrier)),
      "r"(bytes)
      : "memory");
#endif
}

/// Waits for the end of the phase of this parity.
__device__ __forceinline__ void mbarrier_wait(std::uint64_t* barrier, std::uint32_t parity QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::mbarrier_wait(barrier, parity, site);
#else
  std::uint32_t done;
  do {
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "}\n"
        : "=r"(done)
        : "r"(detail::shared_address(barrier)), "r"(parity)
        : "memory");
  } while (done == 0);
#endif
}

}  // namespace qcface::cuda
