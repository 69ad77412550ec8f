// Small kernels with one bug each.
#include "kernels/device/instructions/cp_async.cuh"
#include "kernels/device/instructions/ldmatrix.cuh"
#include "kernels/device/instructions/tma.cuh"
#include "kernels/device/types.cuh"
#include "tests/emulation/faults.h"
#include "tests/support/device_buffer.h"

namespace qcface::test {

namespace {

constexpr int kThreads = 64;

__global__ void missing_syncthreads(const float* x, float* y) {
  QCF_SHARED(float, buffer, kThreads);
  buffer[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = buffer[kThreads - 1 - threadIdx.x];
}

__global__ void missing_syncwarp(const float* x, float* y) {
  QCF_SHARED(float, buffer, kThreads);
  const int lane = threadIdx.x % 32, warp = threadIdx.x - lane;
  buffer[threadIdx.x] = x[threadIdx.x];
  y[kThreads - 32 - warp + lane] = buffer[warp + 31 - lane];
}

// The buffer is written again before all have read it.
__global__ void missing_second_barrier(const float* x, float* y) {
  QCF_SHARED(float, buffer, kThreads);
  float sum = 0.0f;
  for (int round = 0; round < 3; ++round) {
    buffer[threadIdx.x] = x[threadIdx.x] * static_cast<float>(round + 1);
    __syncthreads();
    sum += buffer[kThreads - 1 - threadIdx.x];
  }
  y[threadIdx.x] = sum / 6.0f;
}

__global__ void uninitialised_shared(const float* x, float* y) {
  QCF_SHARED(float, buffer, kThreads + 1);
  buffer[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float rest = threadIdx.x == 0 ? buffer[kThreads] : 0.0f;
  y[threadIdx.x] = buffer[kThreads - 1 - threadIdx.x] + rest;
}

__global__ void short_wait(const float* x, float* y) {
  QCF_SHARED(float4, buffer, kThreads / 4);
  if (threadIdx.x < kThreads / 4) cuda::cp_async_16(&buffer[threadIdx.x], x + 4 * threadIdx.x, true);
  cuda::cp_async_commit();
  cuda::cp_async_wait<1>();  // should be 0
  __syncthreads();
  y[threadIdx.x] = reinterpret_cast<const float*>(&buffer[0])[kThreads - 1 - threadIdx.x];
}

__global__ void divergent_barrier(const float*, float*) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void crossed_barriers(const float*, float*) {
  if (threadIdx.x < 32) {
    cuda::named_barrier_sync(1, kThreads);
  } else {
    cuda::named_barrier_sync(2, kThreads);
  }
}

__global__ void divergent_shuffle(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x % 32 < 16) {
    v = __shfl_sync(~0u, v, 0);
  } else {
    v = __shfl_sync(~0u, v, 1);
  }
  y[threadIdx.x] = v;
}

__global__ void exited_lane(const float* x, float* y) {
  if (threadIdx.x % 32 == 31) return;
  y[threadIdx.x] = __shfl_xor_sync(~0u, x[threadIdx.x], 1);
}

__global__ void lane_outside_mask(const float* x, float* y) {
  if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_sync(0xFFFFu, x[threadIdx.x], 20);
}

__global__ void wrong_parity(const float*, float*) {
  QCF_SHARED(std::uint64_t, barrier, 1);
  if (threadIdx.x == 0) cuda::mbarrier_init(barrier, kThreads);
  __syncthreads();
  cuda::mbarrier_arrive(barrier);
  cuda::mbarrier_wait(barrier, 0);
  cuda::mbarrier_wait(barrier, 1);  // nobody arrives for the second phase
}

__global__ void too_many_arrivals(const float*, float*) {
  QCF_SHARED(std::uint64_t, barrier, 1);
  if (threadIdx.x == 0) {
    cuda::mbarrier_init(barrier, 1);
    cuda::mbarrier_expect_tx(barrier, 64);
    cuda::mbarrier_arrive(barrier);
  }
}

__global__ void unknown_mbarrier(const float*, float*) {
  QCF_SHARED(std::uint64_t, barrier, 1);
  cuda::mbarrier_wait(barrier, 0);
}

__global__ void misaligned_ldmatrix(const float*, float* y) {
  QCF_SHARED(uint4, tile, 33);
  std::uint32_t r[4];
  cuda::ldmatrix_x4<false>(r, reinterpret_cast<const char*>(&tile[threadIdx.x % 32]) + 2);
  y[threadIdx.x] = static_cast<float>(r[0]);
}

__global__ void ldmatrix_outside(const float*, float* y) {
  QCF_SHARED(uint4, tile, 31);
  std::uint32_t r[4];
  cuda::ldmatrix_x4<false>(r, &tile[0] + threadIdx.x % 32);
  y[threadIdx.x] = static_cast<float>(r[0]);
}

__global__ void misaligned_vector(const float* x, float* y) {
  if (threadIdx.x == 0) cuda::store(y, cuda::load(x + 1));
}

__global__ void misaligned_copy(const float* x, float*) {
  QCF_SHARED(float4, buffer, 1);
  if (threadIdx.x == 0) cuda::cp_async_16(buffer, x + 2, true);
}

__global__ void trap(const float*, float*) {
  if (threadIdx.x == 40) __trap();
}

__global__ void static_overrun(const float* x, float* y) {
  QCF_SHARED(float, buffer, kThreads);
  float* const past = buffer + 1;  // the array itself would be checked by UndefinedBehaviorSanitizer
  past[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = buffer[threadIdx.x];
}

__global__ void dynamic_overrun(const float* x, float* y) {
  QCF_DYNAMIC_SHARED(bytes);
  reinterpret_cast<float*>(bytes)[threadIdx.x] = x[threadIdx.x];  // the launch gives room for one less
  y[threadIdx.x] = 0.0f;
}

__global__ void global_overrun(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 1]; }

__global__ void misaligned_pointer(const float* x, float* y) {
  if (threadIdx.x == 0) *reinterpret_cast<float4*>(y + 4) = *reinterpret_cast<const float4*>(x + 1);
}

std::vector<float> numbers() {
  std::vector<float> x(kThreads);
  for (int i = 0; i < kThreads; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
  return x;
}

/// Runs kernel(x, y) and says whether y is x backwards.
template <void (*kKernel)(const float*, float*), std::size_t kDynamicBytes = 0>
bool reverses() {
  const std::vector<float> x = numbers();
  const DeviceBuffer<float> device_x(x);
  DeviceBuffer<float> y(x.size());
  check_cuda(cuda::launch(kKernel, 1, kThreads, kDynamicBytes, nullptr, device_x.data(), y.data()));
  return y.host() == std::vector<float>(x.rbegin(), x.rend());
}

__global__ void forgotten_copy(const __grid_constant__ cuda::TensorMap map) {
  QCF_DYNAMIC_SHARED(bytes);
  QCF_SHARED(std::uint64_t, barrier, 1);
  if (threadIdx.x == 0) {
    cuda::mbarrier_init(barrier, 1);
    cuda::mbarrier_expect_tx(barrier, 1024);
    cuda::tma_load_2d(bytes, &map, 0, 0, barrier);
  }
}

bool run_forgotten_copy() {
  DeviceBuffer<__half> x(8 * 64);
  cuda::TensorMap map;
  if (!cuda::make_tensor_map_2d<__half>(&map, x.data(), 64, 8, 128, 64, 8)) return false;
  check_cuda(cuda::launch(forgotten_copy, 1, 32, 1024, nullptr, map));
  return true;
}

bool run_too_much_memory() { return reverses<divergent_barrier, (227 << 10) + 1>(); }

}  // namespace

std::vector<Fault> small_faults() {
  const auto report = Noticed::kReport, wrong = Noticed::kWrong, sanitizer = Noticed::kSanitizer;
  return {
      {"missing_syncthreads", wrong, "", true, reverses<missing_syncthreads>},
      {"missing_syncwarp", wrong, "", true, reverses<missing_syncwarp>},
      {"missing_second_barrier", wrong, "", true, reverses<missing_second_barrier>},
      {"uninitialised_shared", wrong, "", false, reverses<uninitialised_shared>},
      {"short_wait", wrong, "", false, reverses<short_wait>},
      {"divergent_barrier", report, "divergent __syncthreads", false, reverses<divergent_barrier>},
      {"crossed_barriers", report, "deadlock", false, reverses<crossed_barriers>},
      {"divergent_shuffle", report, "warp divergence", false, reverses<divergent_shuffle>},
      {"exited_lane", report, "left", false, reverses<exited_lane>},
      {"lane_outside_mask", report, "lane 0 reads lane 20", false, reverses<lane_outside_mask>},
      {"wrong_parity", report, "deadlock", false, reverses<wrong_parity>},
      {"too_many_arrivals", report, "more than the 1 arrivals", false, reverses<too_many_arrivals>},
      {"unknown_mbarrier", report, "not initialised", false, reverses<unknown_mbarrier>},
      {"forgotten_copy", wrong, "", false, run_forgotten_copy},
      {"misaligned_ldmatrix", report, "not a multiple of 16", false, reverses<misaligned_ldmatrix>},
      {"ldmatrix_outside", report, "outside the block's shared memory", false, reverses<ldmatrix_outside>},
      {"misaligned_vector", report, "misaligned address", false, reverses<misaligned_vector>},
      {"misaligned_copy", report, "misaligned global address", false, reverses<misaligned_copy>},
      {"trap", report, "__trap()", false, reverses<trap>},
      {"too_much_memory", report, "bytes of dynamic shared memory", false, run_too_much_memory},
      {"static_overrun", sanitizer, "AddressSanitizer: use-after-poison", false, reverses<static_overrun>},
      {"dynamic_overrun", sanitizer, "AddressSanitizer: use-after-poison", false,
       reverses<dynamic_overrun, (kThreads - 1) * sizeof(float)>},
      {"global_overrun", sanitizer, "AddressSanitizer: heap-buffer-overflow", false,
       reverses<global_overrun>},
      {"misaligned_pointer", sanitizer, "misaligned address", false, reverses<misaligned_pointer>},
  };
}

}  // namespace qcface::test
