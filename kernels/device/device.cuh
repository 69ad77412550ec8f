// The only header that kernels include, beside our own .cuh files. One source, two compilers: nvcc compiles
// it as CUDA; with QCF_EMULATE the host compiler runs it, every CUDA thread a fiber (kernels/emulation).
//
//   QCF_SHARED(float, tile, 32 * 33);      static shared array `float tile[32 * 33]`
//   QCF_DYNAMIC_SHARED(bytes);             unsigned char* bytes, 1024-byte aligned, as large as the launch says
//   QCF_UNROLL for (...) ...               full unrolling on the GPU
//   cuda::launch(kernel, grid, block, dynamic_bytes, stream, arguments...)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <utility>

#include "kernels/device/runtime.h"

#ifdef QCF_EMULATE
#include "kernels/emulation/device.h"
#else
#ifndef __CUDACC__
#error "kernels are compiled by nvcc, or by the host compiler with QCF_EMULATE"
#endif
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#endif

#ifdef QCF_EMULATE
#define QCF_SHARED(T, name, ...) auto& name = ::qcface::emulation::static_shared<T[__VA_ARGS__]>([] {})
#define QCF_DYNAMIC_SHARED(name) unsigned char* const name = ::qcface::emulation::dynamic_shared()
#define QCF_UNROLL
// Wrappers of instructions end their parameters with this, so that errors name the line in the kernel.
#define QCF_SITE , const ::qcface::emulation::Site& site = ::qcface::emulation::Site::current()
#define QCF_SITE_ONLY const ::qcface::emulation::Site& site = ::qcface::emulation::Site::current()
#else
#define QCF_SHARED(T, name, ...) __shared__ T name[__VA_ARGS__]
#define QCF_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#define QCF_UNROLL _Pragma("unroll")
#define QCF_SITE
#define QCF_SITE_ONLY
#endif

namespace qcface::cuda {

#ifdef QCF_EMULATE
/// The grid of a launch; it notes where the launch stands.
struct LaunchGrid {
  dim3 size;
  emulation::Site site;
  LaunchGrid(dim3 s, const emulation::Site& where = emulation::Site::current()) : size(s), site(where) {}
  LaunchGrid(unsigned x, const emulation::Site& where = emulation::Site::current()) : size(x), site(where) {}
  LaunchGrid(int x, const emulation::Site& where = emulation::Site::current())
      : size(static_cast<unsigned>(x)), site(where) {}
};
#else
using LaunchGrid = dim3;
#endif

/// Launches kernel(arguments...) on `grid` blocks of `block` threads with dynamic_bytes of dynamic shared
/// memory; the limit above 48 KiB is raised here. Does not synchronise. Under emulation the grid has finished
/// when this returns (but see emulation::LateStream), and emulation::Error is thrown for what the emulator found wrong.
template <class... Parameters, class... Arguments>
[[nodiscard]] cudaError_t launch(void (*kernel)(Parameters...), LaunchGrid grid, dim3 block,
                                 std::size_t dynamic_bytes, [[maybe_unused]] cudaStream_t stream,
                                 Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "launch: the kernel takes another number of arguments");
#ifdef QCF_EMULATE
  // Each thread calls the kernel with its own copy of the arguments, as on the GPU.
  const std::tuple<Parameters...> copy(static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  emulation::enqueue(stream, [=] {
    emulation::run_grid(
        grid.size, block, dynamic_bytes, [&] { std::apply(kernel, copy); },
        reinterpret_cast<const void*>(kernel), grid.site);
  });
  return cudaSuccess;
#else
  if (dynamic_bytes > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(dynamic_bytes));
    if (error != cudaSuccess) return error;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(std::forward<Arguments>(arguments))...);
#endif
}

}  // namespace qcface::cuda

#include "kernels/device/instructions/named_barrier.cuh"
