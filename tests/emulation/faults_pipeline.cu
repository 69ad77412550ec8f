// Two small pipelined products, C[M, 64] = A[M, K] B[64, K]^T, right as they stand and wrong with one barrier
// removed or one wait shortened: cp.async + ldmatrix + mma with all warps alike, and TMA + wgmma with a
// producer warp.
#include "kernels/device/instructions/cp_async.cuh"
#include "kernels/device/instructions/ldmatrix.cuh"
#include "kernels/device/instructions/mma.cuh"
#include "kernels/device/instructions/tma.cuh"
#include "kernels/device/instructions/wgmma.cuh"
#include "tests/emulation/faults.h"
#include "tests/support/device_buffer.h"
#include "tests/support/hash_generator.h"

namespace qcface::test {

namespace {

constexpr int kN = 64, kDepth = 320;

enum class Mutation {
  kNone,
  kNoBarrierAfterWait,
  kNoBarrierBeforeRefill,
  kShortWait,
  kEarlyRelease,
  kNoFullWait,
  kNoEmptyWait,
  kWrongParity,
  kReadBeforeWait
};

// One block of 64 threads: 32 rows, 64 columns, 16 of K a stage, two stages. A warp computes 16 rows.
template <Mutation kMutation>
__global__ void __launch_bounds__(64) mma_pipeline(const __half* a, const __half* b, float* c) {
  constexpr int kRow = 24;  // 16 values and 8 of padding: rows start in different banks
  QCF_SHARED(uint4, raw_a, 2 * 32 * kRow / 8);
  QCF_SHARED(uint4, raw_b, 2 * kN * kRow / 8);
  __half* const sa = reinterpret_cast<__half*>(&raw_a[0]);
  __half* const sb = reinterpret_cast<__half*>(&raw_b[0]);
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  const auto fetch = [&](int step) {
    const int stage = step % 2;
    cuda::cp_async_16(sa + (stage * 32 + t / 2) * kRow + t % 2 * 8,
                      a + (blockIdx.x * 32 + t / 2) * kDepth + step * 16 + t % 2 * 8, true);
    for (int i = t; i < 2 * kN; i += 64) {
      cuda::cp_async_16(sb + (stage * kN + i / 2) * kRow + i % 2 * 8,
                        b + i / 2 * kDepth + step * 16 + i % 2 * 8, true);
    }
    cuda::cp_async_commit();
  };
  float d[kN / 8][4] = {};
  fetch(0);
  constexpr int kSteps = kDepth / 16;
  for (int step = 0; step < kSteps; ++step) {
    const int stage = step % 2;
    if (step + 1 < kSteps) {
      fetch(step + 1);
      cuda::cp_async_wait<kMutation == Mutation::kShortWait ? 2 : 1>();
    } else {
      cuda::cp_async_wait<0>();
    }
    if (kMutation != Mutation::kNoBarrierAfterWait) __syncthreads();
    std::uint32_t fa[4];
    cuda::ldmatrix_x4<false>(fa, sa + (stage * 32 + warp * 16 + lane % 16) * kRow + lane / 16 * 8);
    for (int j = 0; j < kN / 16; ++j) {
      std::uint32_t fb[4];
      cuda::ldmatrix_x4<false>(
          fb, sb + (stage * kN + j * 16 + lane % 8 + lane / 16 * 8) * kRow + lane / 8 % 2 * 8);
      const std::uint32_t low[2] = {fb[0], fb[1]}, high[2] = {fb[2], fb[3]};
      cuda::mma_m16n8k16<__half>(d[2 * j], fa, low);
      cuda::mma_m16n8k16<__half>(d[2 * j + 1], fa, high);
    }
    if (kMutation != Mutation::kNoBarrierBeforeRefill) __syncthreads();
  }
  for (int j = 0; j < kN / 8; ++j) {
    for (int i = 0; i < 4; ++i) {
      const int row = blockIdx.x * 32 + warp * 16 + lane / 4 + i / 2 * 8;
      c[row * kN + j * 8 + lane % 4 * 2 + i % 2] = d[j][i];
    }
  }
}

// One block of five warps: four compute 64 rows, the fifth fills two stages of 64 of K.
template <Mutation kMutation>
__global__ void __launch_bounds__(160)
    wgmma_pipeline(const __grid_constant__ cuda::TensorMap map_a,
                   const __grid_constant__ cuda::TensorMap map_b, float* c) {
  QCF_DYNAMIC_SHARED(bytes);
  QCF_SHARED(std::uint64_t, full, 2);
  QCF_SHARED(std::uint64_t, empty, 2);
  constexpr int kTile = 64 * 64, kStages = 2, kSteps = kDepth / 64;
  __half* const sa = reinterpret_cast<__half*>(bytes);
  __half* const sb = sa + kStages * kTile;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      cuda::mbarrier_init(&full[s], 1);
      cuda::mbarrier_init(&empty[s], 4);
    }
    cuda::mbarrier_init_fence();
  }
  __syncthreads();
  if (warp == 4) {
    for (int step = 0; lane == 0 && step < kSteps; ++step) {
      const int s = step % kStages;
      const std::uint32_t parity = step / kStages % 2;
      if (kMutation != Mutation::kNoEmptyWait) {
        cuda::mbarrier_wait(&empty[s], kMutation == Mutation::kWrongParity ? parity : parity ^ 1);
      }
      cuda::mbarrier_expect_tx(&full[s], 2 * kTile * sizeof(__half));
      cuda::tma_load_2d(sa + s * kTile, &map_a, step * 64, blockIdx.x * 64, &full[s]);
      cuda::tma_load_2d(sb + s * kTile, &map_b, step * 64, 0, &full[s]);
    }
    return;
  }
  float d[kN / 2] = {};
  for (int step = 0; step < kSteps; ++step) {
    const int s = step % kStages;
    if (kMutation != Mutation::kNoFullWait) cuda::mbarrier_wait(&full[s], step / kStages % 2);
    cuda::wgmma_hold(d);
    cuda::wgmma_fence();
    for (int k = 0; k < 4; ++k) {
      cuda::wgmma_m64k16<__half, kN>(d, cuda::wgmma_descriptor_k_major(sa + s * kTile + k * 16),
                                     cuda::wgmma_descriptor_k_major(sb + s * kTile + k * 16), 1);
    }
    cuda::wgmma_commit();
    if (kMutation == Mutation::kEarlyRelease && lane == 0) cuda::mbarrier_arrive(&empty[s]);
    if (kMutation != Mutation::kReadBeforeWait || step + 1 < kSteps) cuda::wgmma_wait<0>();
    cuda::wgmma_hold(d);
    if (kMutation != Mutation::kEarlyRelease && lane == 0) cuda::mbarrier_arrive(&empty[s]);
  }
  for (int i = 0; i < kN / 2; ++i) {
    const int row = blockIdx.x * 64 + 16 * warp + lane / 4 + 8 * (i / 2 & 1);
    c[row * kN + 8 * (i / 4) + 2 * (lane % 4) + (i & 1)] = d[i];
  }
}

/// Small integers: the product is exact. Two blocks of `rows`.
struct Product {
  int rows;
  std::vector<__half> a, b;
  std::vector<float> want;

  explicit Product(int block_rows) : rows(2 * block_rows) {
    for (int i = 0; i < rows * kDepth; ++i) a.push_back(__float2half_rn(value(1, i)));
    for (int i = 0; i < kN * kDepth; ++i) b.push_back(__float2half_rn(value(2, i)));
    for (int r = 0; r < rows; ++r) {
      for (int n = 0; n < kN; ++n) {
        double sum = 0;
        for (int k = 0; k < kDepth; ++k)
          sum += double{value(1, r * kDepth + k)} * double{value(2, n * kDepth + k)};
        want.push_back(static_cast<float>(sum));
      }
    }
  }
  static float value(std::uint32_t stream, int i) {
    return static_cast<float>(static_cast<int>(hash(3, stream, static_cast<std::uint32_t>(i)) % 7) - 3);
  }
};

template <Mutation kMutation>
bool run_mma_pipeline() {
  static const Product product(32);
  const DeviceBuffer<__half> a(product.a), b(product.b);
  DeviceBuffer<float> c(product.want.size());
  check_cuda(cuda::launch(mma_pipeline<kMutation>, 2, 64, 0, nullptr, a.data(), b.data(), c.data()));
  return c.host() == product.want;
}

template <Mutation kMutation>
bool run_wgmma_pipeline() {
  static const Product product(64);
  const DeviceBuffer<__half> a(product.a), b(product.b);
  DeviceBuffer<float> c(product.want.size());
  cuda::TensorMap map_a, map_b;
  if (!cuda::make_tensor_map_2d(&map_a, a.data(), kDepth, 128, kDepth * 2, 64, 64) ||
      !cuda::make_tensor_map_2d(&map_b, b.data(), kDepth, kN, kDepth * 2, 64, 64)) {
    return false;
  }
  check_cuda(cuda::launch(wgmma_pipeline<kMutation>, 2, 160, 4 * 64 * 64 * sizeof(__half), nullptr, map_a,
                          map_b, c.data()));
  return c.host() == product.want;
}

}  // namespace

std::vector<Fault> pipeline_faults() {
  using M = Mutation;
  const auto wrong = Noticed::kWrong, report = Noticed::kReport;
  return {
      {"mma_no_barrier_after_wait", wrong, "", true, run_mma_pipeline<M::kNoBarrierAfterWait>},
      {"mma_no_barrier_before_refill", wrong, "", true, run_mma_pipeline<M::kNoBarrierBeforeRefill>},
      {"mma_short_wait", wrong, "", false, run_mma_pipeline<M::kShortWait>},
      {"wgmma_early_release", wrong, "", false, run_wgmma_pipeline<M::kEarlyRelease>},
      {"wgmma_no_full_wait", wrong, "deadlock", true, run_wgmma_pipeline<M::kNoFullWait>},
      {"wgmma_no_empty_wait", wrong, "mbarrier.arrive", true, run_wgmma_pipeline<M::kNoEmptyWait>},
      {"wgmma_wrong_parity", report, "deadlock", false, run_wgmma_pipeline<M::kWrongParity>},
      {"wgmma_read_before_wait", wrong, "", false, run_wgmma_pipeline<M::kReadBeforeWait>},
      {"mma_pipeline", wrong, "", false, run_mma_pipeline<M::kNone>},
      {"wgmma_pipeline", wrong, "", false, run_wgmma_pipeline<M::kNone>},
  };
}

const std::vector<Fault>& sound_kernels() {
  static const std::vector<Fault> value = [] {
    std::vector<Fault> all = pipeline_faults();
    return std::vector<Fault>(all.end() - 2, all.end());
  }();
  return value;
}

const std::vector<Fault>& faults() {
  static const std::vector<Fault> value = [] {
    std::vector<Fault> all = small_faults();
    const std::vector<Fault> more = pipeline_faults();
    all.insert(all.end(), more.begin(), more.end() - 2);
    return all;
  }();
  return value;
}

}  // namespace qcface::test
