// ldmatrix: a warp reads four 8 x 8 matrices of 16-bit values from shared memory into the fragments that mma
// takes.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

#ifdef QCF_EMULATE
namespace detail {
struct LdmatrixLane {
  const unsigned char* row;
  std::uint32_t* registers;
};
template <bool kTranspose>
void ldmatrix_warp(void* const* lanes, std::uint32_t mask, const void*) {
  if (mask != ~0u) emulation::fail("ldmatrix needs all 32 lanes");
  for (int matrix = 0; matrix < 4; ++matrix) {
    for (int lane = 0; lane < 32; ++lane) {
      std::uint16_t pair[2];
      for (int e = 0; e < 2; ++e) {
        const int major = lane / 4, minor = lane % 4 * 2 + e;
        const int row = kTranspose ? minor : major, column = kTranspose ? major : minor;
        const auto& from = *static_cast<const LdmatrixLane*>(lanes[matrix * 8 + row]);
        std::memcpy(&pair[e], from.row + 2 * column, 2);
      }
      static_cast<LdmatrixLane*>(lanes[lane])->registers[matrix] = pair[0] | std::uint32_t{pair[1]} << 16;
    }
  }
}
}  // namespace detail
#endif

/// Lane l gives the address of row l % 8 of matrix l / 8: 16 bytes of shared memory, 16-byte aligned.
/// Afterwards r[m] of lane l holds elements [l / 4][2 (l % 4)] (low half) and [l / 4][2 (l % 4) + 1] of
/// matrix m, or with kTranspose elements [2 (l % 4)][l / 4] and [2 (l % 4) + 1][l / 4]. The whole warp must
/// call it.
template <bool kTranspose>
__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&r)[4], const void* shared_row QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::shared_offset(shared_row, 16, 16, "ldmatrix", site);
  emulation::note_read(shared_row, 16);
  detail::LdmatrixLane lane{static_cast<const unsigned char*>(shared_row), r};
  emulation::collective(~0u, detail::ldmatrix_warp<kTranspose>, &lane, nullptr, "ldmatrix", site);
#else
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  if constexpr (kTranspose) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  }
#endif
}

}  // namespace qcface::cuda
