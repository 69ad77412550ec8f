// TMA (sm_90): bulk copy of a box of a two-dimensional tensor of 16-bit values into shared memory, with the
// 128-byte swizzle that wgmma reads. Elements outside the tensor arrive as zero; the copy always counts
// box_inner * box_outer * 2 bytes on its mbarrier.
//
// Swizzle: the box lies row by row in shared memory, box_inner * 2 bytes a row (128 for box_inner = 64);
// within each 1024 bytes the 16-byte piece at byte address b is found at b ^ ((b >> 7 & 7) << 4).
#pragma once

#include <type_traits>

#include "kernels/device/instructions/mbarrier.cuh"
#ifndef QCF_EMULATE
#include <cuda.h>
#endif

namespace qcface::cuda {

#ifdef QCF_EMULATE
using TensorMap = emulation::TensorMap;
#else
using TensorMap = CUtensorMap;
#endif

/// Describes T[outer][inner] at `base`, rows row_bytes apart, copied in boxes of box_outer x box_inner. base
/// must be a multiple of 16 and row_bytes too; box_inner * 2 at most 128 bytes and a multiple of 16,
/// box_outer at most 256. Returns false if it is refused, or if there is no driver. Host; pass the map to the
/// kernel as `const __grid_constant__ TensorMap`.
template <class T>
bool make_tensor_map_2d(TensorMap* map, const T* base, std::uint64_t inner, std::uint64_t outer,
                        std::uint64_t row_bytes, std::uint32_t box_inner, std::uint32_t box_outer) {
  static_assert(std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>);
#ifdef QCF_EMULATE
  return emulation::encode_tensor_map(map, base, inner, outer, row_bytes, box_inner, box_outer);
#else
  // Taken at run time: a program linked to libcuda would not start without a driver.
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found;
  if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found) !=
          cudaSuccess ||
      found != cudaDriverEntryPointSuccess || entry == nullptr) {
    cudaGetLastError();
    return false;
  }
  const cuuint64_t sizes[2] = {inner, outer};
  const cuuint64_t strides[1] = {row_bytes};
  const cuuint32_t box[2] = {box_inner, box_outer};
  const cuuint32_t steps[2] = {1, 1};
  const auto type =
      std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(entry)(
             map, type, 2, const_cast<T*>(base), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
             CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
#endif
}

/// Starts the copy of the box whose first element is [y][x] to `shared` (1024-byte aligned); its bytes count
/// on `barrier`. By one thread, after mbarrier_expect_tx for them. x and y may lie outside the tensor.
__device__ __forceinline__ void tma_load_2d(void* shared, const TensorMap* map, int x, int y,
                                            std::uint64_t* barrier QCF_SITE) {
#ifdef QCF_EMULATE
  emulation::tma_load_2d(shared, *map, x, y, barrier, site);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(detail::shared_address(shared)),
      "l"(map), "r"(x), "r"(y), "r"(detail::shared_address(barrier))
      : "memory");
#endif
}

__device__ __forceinline__ void tma_prefetch_descriptor([[maybe_unused]] const TensorMap* map) {
#ifndef QCF_EMULATE
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#endif
}

}  // namespace qcface::cuda
