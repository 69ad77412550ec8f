// cp.async: 16 bytes from global to shared memory without a register, in groups that the issuing thread waits
// for. The other threads of the block see the data after the wait and a barrier.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

/// Both addresses 16-byte aligned. valid = false writes 16 zero bytes and does not touch global memory.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, bool valid QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::shared_offset(shared, 16, 16, "cp.async", site);
  if (valid && reinterpret_cast<std::uintptr_t>(global) % 16 != 0) {
    emulation::fail("%s:%u: cp.async from the misaligned global address %p", site.file_name(), site.line(),
                    global);
  }
  emulation::note_write(shared, 16);
  if (valid) emulation::note_read(global, 16);
  emulation::copy_async(shared, global, 16, valid ? 16 : 0);
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<std::uint32_t>(__cvta_generic_to_shared(shared))),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
#endif
}

/// Ends a group: all copies of this thread since the last call.
__device__ __forceinline__ void cp_async_commit() {
#ifdef QCF_EMULATE
  emulation::copy_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most kPending of this thread's groups, the youngest, are under way.
template <int kPending>
__device__ __forceinline__ void cp_async_wait() {
#ifdef QCF_EMULATE
  emulation::copy_wait(kPending);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace qcface::cuda
