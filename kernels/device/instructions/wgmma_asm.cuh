// The PTX of wgmma for each width: overloads by the size of the accumulator. Part of wgmma.cuh.
#pragma once

#include <cstdint>
#include <type_traits>

// clang-format off
#define QCF_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define QCF_D16(i) QCF_D4(i), QCF_D4(i + 4), QCF_D4(i + 8), QCF_D4(i + 12)
#define QCF_D32(i) QCF_D16(i), QCF_D16(i + 16)
#define QCF_D64(i) QCF_D32(i), QCF_D32(i + 32)
#define QCF_LIST_16 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define QCF_LIST_32 QCF_LIST_16 ", " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define QCF_LIST_64 QCF_LIST_32 ", " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define QCF_LIST_128 QCF_LIST_64 ", " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

// SHAPE: n32 and so on; COUNT: registers of D; A, B, P, TA, TB: the operands after D; OUT: D's constraints.
#define QCF_WGMMA_SHARED(SHAPE, COUNT, TYPE, A, B, P, TA, TB, ...) \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P ", 0;\n" \
    "wgmma.mma_async.sync.aligned.m64" SHAPE "k16.f32." TYPE "." TYPE " {" QCF_LIST_##COUNT "}, " \
    A ", " B ", p, 1, 1, " TA ", " TB ";\n}\n" \
    : __VA_ARGS__ : "l"(a), "l"(b), "r"(scale_d), "n"(kTransposeA), "n"(kTransposeB))
#define QCF_WGMMA_REGISTER(SHAPE, COUNT, TYPE, A, B, P, TB, ...) \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P ", 0;\n" \
    "wgmma.mma_async.sync.aligned.m64" SHAPE "k16.f32." TYPE "." TYPE " {" QCF_LIST_##COUNT "}, {" \
    A "}, " B ", p, 1, 1, " TB ";\n}\n" \
    : __VA_ARGS__ : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(scale_d), "n"(kTransposeB))

namespace qcface::cuda::detail {

template <class T, int kTransposeA, int kTransposeB>
__device__ __forceinline__ void wgmma_shared_a(float (&d)[16], std::uint64_t a, std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_SHARED("n32", 16, "f16", "%16", "%17", "%18", "%19", "%20", QCF_D16(0));
  } else {
    QCF_WGMMA_SHARED("n32", 16, "bf16", "%16", "%17", "%18", "%19", "%20", QCF_D16(0));
  }
}
template <class T, int kTransposeB>
__device__ __forceinline__ void wgmma_register_a(float (&d)[16], const std::uint32_t (&a)[4], std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_REGISTER("n32", 16, "f16", "%16, %17, %18, %19", "%20", "%21", "%22", QCF_D16(0));
  } else {
    QCF_WGMMA_REGISTER("n32", 16, "bf16", "%16, %17, %18, %19", "%20", "%21", "%22", QCF_D16(0));
  }
}

template <class T, int kTransposeA, int kTransposeB>
__device__ __forceinline__ void wgmma_shared_a(float (&d)[32], std::uint64_t a, std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_SHARED("n64", 32, "f16", "%32", "%33", "%34", "%35", "%36", QCF_D32(0));
  } else {
    QCF_WGMMA_SHARED("n64", 32, "bf16", "%32", "%33", "%34", "%35", "%36", QCF_D32(0));
  }
}
template <class T, int kTransposeB>
__device__ __forceinline__ void wgmma_register_a(float (&d)[32], const std::uint32_t (&a)[4], std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_REGISTER("n64", 32, "f16", "%32, %33, %34, %35", "%36", "%37", "%38", QCF_D32(0));
  } else {
    QCF_WGMMA_REGISTER("n64", 32, "bf16", "%32, %33, %34, %35", "%36", "%37", "%38", QCF_D32(0));
  }
}

template <class T, int kTransposeA, int kTransposeB>
__device__ __forceinline__ void wgmma_shared_a(float (&d)[64], std::uint64_t a, std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_SHARED("n128", 64, "f16", "%64", "%65", "%66", "%67", "%68", QCF_D64(0));
  } else {
    QCF_WGMMA_SHARED("n128", 64, "bf16", "%64", "%65", "%66", "%67", "%68", QCF_D64(0));
  }
}
template <class T, int kTransposeB>
__device__ __forceinline__ void wgmma_register_a(float (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_REGISTER("n128", 64, "f16", "%64, %65, %66, %67", "%68", "%69", "%70", QCF_D64(0));
  } else {
    QCF_WGMMA_REGISTER("n128", 64, "bf16", "%64, %65, %66, %67", "%68", "%69", "%70", QCF_D64(0));
  }
}

template <class T, int kTransposeA, int kTransposeB>
__device__ __forceinline__ void wgmma_shared_a(float (&d)[128], std::uint64_t a, std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_SHARED("n256", 128, "f16", "%128", "%129", "%130", "%131", "%132", QCF_D64(0), QCF_D64(64));
  } else {
    QCF_WGMMA_SHARED("n256", 128, "bf16", "%128", "%129", "%130", "%131", "%132", QCF_D64(0), QCF_D64(64));
  }
}
template <class T, int kTransposeB>
__device__ __forceinline__ void wgmma_register_a(float (&d)[128], const std::uint32_t (&a)[4], std::uint64_t b, int scale_d) {
  if constexpr (std::is_same_v<T, __half>) {
    QCF_WGMMA_REGISTER("n256", 128, "f16", "%128, %129, %130, %131", "%132", "%133", "%134", QCF_D64(0), QCF_D64(64));
  } else {
    QCF_WGMMA_REGISTER("n256", 128, "bf16", "%128, %129, %130, %131", "%132", "%133", "%134", QCF_D64(0), QCF_D64(64));
  }
}

}  // namespace qcface::cuda::detail

#undef QCF_D4
#undef QCF_D16
#undef QCF_D32
#undef QCF_D64
#undef QCF_LIST_16
#undef QCF_LIST_32
#undef QCF_LIST_64
#undef QCF_LIST_128
#undef QCF_WGMMA_SHARED
#undef QCF_WGMMA_REGISTER
// clang-format on
