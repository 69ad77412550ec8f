// mma.sync m16n8k16: C[16, 8] += A[16, 16] B[16, 8] over one warp, operands of 16 bits, sums in fp32.
#pragma once

#include <type_traits>

#include "kernels/device/types.cuh"

namespace qcface::cuda {

#ifdef QCF_EMULATE
namespace detail {
struct MmaLane {
  float* c;
  const std::uint32_t* a;
  const std::uint32_t* b;
};
// Fragments as the PTX ISA draws them, with g = lane / 4 and t = lane % 4: register i of A holds row g + 8 (i
// & 1), columns 2 t + 8 (i / 2) and the next; register i of B rows 2 t + 8 i and the next, column g; c[i] row
// g + 8 (i / 2), column 2 t + (i & 1).
template <class T>
void mma_warp(void* const* lanes, std::uint32_t mask, const void*) {
  if (mask != ~0u) emulation::fail("mma.m16n8k16 needs all 32 lanes");
  float a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& own = *static_cast<const MmaLane*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const float2 v = unpack2<T>(own.a[i]);
      a[g + 8 * (i & 1)][2 * t + 8 * (i / 2)] = v.x;
      a[g + 8 * (i & 1)][2 * t + 8 * (i / 2) + 1] = v.y;
      c[g + 8 * (i / 2)][2 * t + (i & 1)] = own.c[i];
    }
    for (int i = 0; i < 2; ++i) {
      const float2 v = unpack2<T>(own.b[i]);
      b[2 * t + 8 * i][g] = v.x;
      b[2 * t + 8 * i + 1][g] = v.y;
    }
  }
  emulation::multiply_add(&c[0][0], &a[0][0], &b[0][0], 16, 8, 16);
  for (int lane = 0; lane < 32; ++lane) {
    auto& own = *static_cast<MmaLane*>(lanes[lane]);
    for (int i = 0; i < 4; ++i) own.c[i] = c[lane / 4 + 8 * (i / 2)][lane % 4 * 2 + (i & 1)];
  }
}
}  // namespace detail
#endif

/// T = __nv_bfloat16 or __half. a: four registers as ldmatrix_x4 gives them for the matrices (rows 0-7,
/// columns 0-7), (8-15, 0-7), (0-7, 8-15), (8-15, 8-15) of A. b: two registers, from the matrices (columns
/// 0-7 of k 0-7), (k 8-15) of B stored [n][k], or of B stored [k][n] with kTranspose. c[i]: row lane / 4 + 8
/// (i / 2), column 2 (lane % 4) + (i & 1).
template <class T>
__device__ __forceinline__ void mma_m16n8k16(float (&c)[4], const std::uint32_t (&a)[4],
                                             const std::uint32_t (&b)[2] QCF_SITE) {
  static_assert(std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>);
#ifdef QCF_EMULATE
  detail::MmaLane lane{c, a, b};
  emulation::collective(~0u, detail::mma_warp<T>, &lane, nullptr, "mma.m16n8k16", site);
#else
  if constexpr (std::is_same_v<T, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#endif
}

}  // namespace qcface::cuda
