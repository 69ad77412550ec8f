// Conformance of what sm_90a adds: mbarrier, TMA, wgmma.
#include "kernels/device/instructions/tma.cuh"
#include "kernels/device/instructions/wgmma.cuh"
#include "tests/gpu/conformance_support.cuh"

namespace qcface::test {

namespace {

using cuda::TensorMap;
using cuda::Transpose;

// ---- mbarrier: warp 0 fills a buffer of two stages for warps 1 and 2 --------------------------------------
constexpr int kRounds = 7;

__global__ void mbarrier_kernel(float* out) {
  QCF_SHARED(float, buffer, 2 * 32);
  QCF_SHARED(std::uint64_t, barriers, 4);
  std::uint64_t* const full = barriers;
  std::uint64_t* const empty = barriers + 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (threadIdx.x == 0) {
    for (int s = 0; s < 2; ++s) {
      cuda::mbarrier_init(&full[s], 32);
      cuda::mbarrier_init(&empty[s], 64);
    }
    cuda::mbarrier_init_fence();
  }
  __syncthreads();
  for (int round = 0; round < kRounds; ++round) {
    const int s = round % 2;
    const std::uint32_t parity = round / 2 % 2;
    if (warp == 0) {
      cuda::mbarrier_wait(&empty[s], parity ^ 1);
      buffer[s * 32 + lane] = static_cast<float>(100 * round + lane);
      cuda::mbarrier_arrive(&full[s]);
    } else {
      cuda::mbarrier_wait(&full[s], parity);
      out[(round * 2 + warp - 1) * 32 + lane] = buffer[s * 32 + (lane + warp) % 32];
      cuda::mbarrier_arrive(&empty[s]);
    }
  }
}

ConformanceCase mbarrier_case() {
  DeviceBuffer<float> out(kRounds * 64);
  check_cuda(cuda::launch(mbarrier_kernel, 1, 96, 0, nullptr, out.data()));
  ConformanceCase one{"mbarrier", out.host(), {}, 0};
  for (int i = 0; i < kRounds * 64; ++i) one.want.push_back(100 * (i / 64) + (i % 32 + i / 32 % 2 + 1) % 32);
  return one;
}

// ---- TMA: boxes inside, over each edge and outside of a tensor; the raw bytes of shared memory ------------
constexpr int kBoxInner = 64, kBoxOuter = 16;

template <class T>
__global__ void tma_kernel(const __grid_constant__ TensorMap map, const int* corners, float* out) {
  QCF_DYNAMIC_SHARED(bytes);
  QCF_SHARED(std::uint64_t, barrier, 1);
  constexpr int kBox = kBoxInner * kBoxOuter;
  if (threadIdx.x == 0) {
    cuda::tma_prefetch_descriptor(&map);
    cuda::mbarrier_init(barrier, 1);
    cuda::mbarrier_init_fence();
    cuda::mbarrier_expect_tx(barrier, kBox * sizeof(T));
    cuda::tma_load_2d(bytes, &map, corners[2 * blockIdx.x], corners[2 * blockIdx.x + 1], barrier);
  }
  __syncthreads();
  cuda::mbarrier_wait(barrier, 0);
  const T* const box = reinterpret_cast<const T*>(bytes);
  for (int i = threadIdx.x; i < kBox; i += blockDim.x) out[blockIdx.x * kBox + i] = cuda::to_float(box[i]);
}

template <class T>
ConformanceCase tma_case() {
  constexpr int kInner = 100, kOuter = 37, kStride = 104;
  const auto x = input<T>(Input::kRandom, 5, kOuter * kStride);
  const std::vector<int> corners = {0, 0, 64, 0, 8, 30, -8, -3, 200, 0, 0, 40};
  const DeviceBuffer<T> dx(x);
  const DeviceBuffer<int> dcorners(corners);
  const int boxes = static_cast<int>(corners.size() / 2);
  DeviceBuffer<float> out(static_cast<std::size_t>(boxes) * kBoxInner * kBoxOuter);
  TensorMap map;
  if (!cuda::make_tensor_map_2d(&map, dx.data(), kInner, kOuter, kStride * sizeof(T), kBoxInner, kBoxOuter)) {
    return {std::string("TMA ") + type_name<T>() + ": the tensor map was refused", {}, {1.0}, 0};
  }
  check_cuda(cuda::launch(tma_kernel<T>, boxes, 64, kBoxInner * kBoxOuter * sizeof(T), nullptr, map,
                          dcorners.data(), out.data()));
  ConformanceCase one{std::string("TMA 2-D ") + type_name<T>(), out.host(), {}, 0};
  for (int b = 0; b < boxes; ++b) {
    for (int row = 0; row < kBoxOuter; ++row) {
      for (int place = 0; place < kBoxInner; ++place) {
        // Piece p of 8 values of a row lies at place p ^ (row % 8).
        const int column = (place / 8 ^ row % 8) * 8 + place % 8;
        const int gx = corners[static_cast<std::size_t>(2 * b)] + column;
        const int gy = corners[static_cast<std::size_t>(2 * b + 1)] + row;
        const bool inside = gx >= 0 && gx < kInner && gy >= 0 && gy < kOuter;
        one.want.push_back(inside ? as_double(x[static_cast<std::size_t>(gy * kStride + gx)]) : 0.0);
      }
    }
  }
  return one;
}

// ---- wgmma: D[64, N] = C + A[64, 64] B[64, N] in four K steps ---------------------------------------------
// a is [64 m][64 k], b [N n][64 k]; each is written to shared memory in the layout under test.
__device__ __forceinline__ int swizzled(int row, int column) {  // element index in rows of 64
  return row * 64 + ((column / 8 ^ row % 8) * 8 + column % 8);
}

template <class T, int N, Transpose kTransposeA, Transpose kTransposeB, bool kRegisterA>
__global__ void __launch_bounds__(128) wgmma_kernel(const T* a, const T* b, const float* c, float* out) {
  QCF_DYNAMIC_SHARED(bytes);
  T* const sa = reinterpret_cast<T*>(bytes);
  T* const sb = sa + 64 * 64;
  const int t = threadIdx.x, warp = t / 32, lane = t % 32;
  for (int i = t; i < 64 * 64; i += 128) {
    const int m = i / 64, k = i % 64;
    sa[kTransposeA == Transpose::kYes ? swizzled(k, m) : swizzled(m, k)] = a[i];
  }
  for (int i = t; i < N * 64; i += 128) {
    const int n = i / 64, k = i % 64;
    sb[kTransposeB == Transpose::kYes ? n / 64 * 4096 + swizzled(k, n % 64) : swizzled(n, k)] = b[i];
  }
  cuda::async_proxy_fence();
  __syncthreads();
  const auto row = [&](int i) { return 16 * warp + lane / 4 + 8 * (i / 2 & 1); };
  const auto column = [&](int i) { return 8 * (i / 4) + 2 * (lane % 4) + (i & 1); };
  float d[N / 2];
  QCF_UNROLL for (int i = 0; i < N / 2; ++i) d[i] = c[row(i) * N + column(i)];
  std::uint32_t fragments[4][4];
  if constexpr (kRegisterA) {
    QCF_UNROLL for (int step = 0; step < 4; ++step) {
      QCF_UNROLL for (int i = 0; i < 4; ++i) {
        const T* const from =
            a + (16 * warp + lane / 4 + 8 * (i & 1)) * 64 + 16 * step + 2 * (lane % 4) + 8 * (i / 2);
        fragments[step][i] = cuda::pack2<T>(cuda::to_float(from[0]), cuda::to_float(from[1]));
      }
    }
  }
  cuda::wgmma_hold(d);
  cuda::wgmma_fence();
  QCF_UNROLL for (int step = 0; step < 4; ++step) {
    const std::uint64_t db = kTransposeB == Transpose::kYes
                                 ? cuda::wgmma_descriptor_mn_major(sb + step * 1024, 8192)
                                 : cuda::wgmma_descriptor_k_major(sb + step * 16);
    if constexpr (kRegisterA) {
      cuda::wgmma_m64k16<T, N, kTransposeB>(d, fragments[step], db, 1);
    } else {
      const std::uint64_t da = kTransposeA == Transpose::kYes
                                   ? cuda::wgmma_descriptor_mn_major(sa + step * 1024, 8192)
                                   : cuda::wgmma_descriptor_k_major(sa + step * 16);
      cuda::wgmma_m64k16<T, N, kTransposeA, kTransposeB>(d, da, db, 1);
    }
  }
  cuda::wgmma_commit();
  cuda::wgmma_wait<0>();
  cuda::wgmma_hold(d);
  QCF_UNROLL for (int i = 0; i < N / 2; ++i) out[row(i) * N + column(i)] = d[i];
}

template <class T, int N, Transpose kTransposeA, Transpose kTransposeB, bool kRegisterA>
ConformanceCase wgmma_case(Input kind) {
  const auto a = input<T>(kind, 6, 64 * 64), b = input<T>(kind, 7, N * 64);
  const auto c = input<float>(kind, 8, 64 * N);
  const DeviceBuffer<T> da(a), db(b);
  const DeviceBuffer<float> dc(c);
  DeviceBuffer<float> out(64 * N);
  check_cuda(cuda::launch(wgmma_kernel<T, N, kTransposeA, kTransposeB, kRegisterA>, 1, 128,
                          (64 * 64 + N * 64) * sizeof(T), nullptr, da.data(), db.data(), dc.data(),
                          out.data()));
  std::string name = "wgmma m64n" + std::to_string(N) + "k16 " + type_name<T>() + " ";
  name += kRegisterA ? "A in registers, " : kTransposeA == Transpose::kYes ? "A M-major, " : "A K-major, ";
  name += kTransposeB == Transpose::kYes ? "B N-major, " : "B K-major, ";
  return {name + input_name(kind), out.host(),
          reference_product(
              64, N, 64, [&](int i, int p) { return as_double(a[static_cast<std::size_t>(i * 64 + p)]); },
              [&](int p, int j) { return as_double(b[static_cast<std::size_t>(j * 64 + p)]); },
              [&](int i, int j) { return as_double(c[static_cast<std::size_t>(i * N + j)]); }),
          product_tolerance(kind, 64)};
}

template <class T, int N>
void wgmma_cases(std::vector<ConformanceCase>* cases) {
  constexpr Transpose kNo = Transpose::kNo, kYes = Transpose::kYes;
  cases->push_back(wgmma_case<T, N, kNo, kNo, false>(Input::kIntegers));
  cases->push_back(wgmma_case<T, N, kYes, kNo, false>(Input::kIntegers));
  cases->push_back(wgmma_case<T, N, kNo, kNo, true>(Input::kIntegers));
  if constexpr (N >= 64) {  // the swizzle of an N-major B spans 64 columns
    cases->push_back(wgmma_case<T, N, kNo, kYes, false>(Input::kIntegers));
    cases->push_back(wgmma_case<T, N, kYes, kYes, false>(Input::kRandom));
    cases->push_back(wgmma_case<T, N, kNo, kYes, true>(Input::kRandom));
  }
}

}  // namespace

std::vector<ConformanceCase> run_hopper_conformance() {
  std::vector<ConformanceCase> cases;
  cases.push_back(mbarrier_case());
  cases.push_back(tma_case<__half>());
  cases.push_back(tma_case<__nv_bfloat16>());
  wgmma_cases<__half, 32>(&cases);
  wgmma_cases<__half, 64>(&cases);
  wgmma_cases<__half, 128>(&cases);
  wgmma_cases<__half, 256>(&cases);
  wgmma_cases<__nv_bfloat16, 32>(&cases);
  wgmma_cases<__nv_bfloat16, 64>(&cases);
  wgmma_cases<__nv_bfloat16, 128>(&cases);
  wgmma_cases<__nv_bfloat16, 256>(&cases);
  return cases;
}

}  // namespace qcface::test
