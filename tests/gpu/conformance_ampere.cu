// Conformance of what sm_80 offers.
#include "kernels/device/instructions/cp_async.cuh"
#include "kernels/device/instructions/ldmatrix.cuh"
#include "kernels/device/instructions/mma.cuh"
#include "kernels/device/reduce.cuh"
#include "tests/gpu/conformance_support.cuh"

namespace qcface::test {

namespace {

// ---- ldmatrix: the bits of four 8 x 8 matrices, numbered 0 to 255 -----------------------------------------
template <bool kTranspose>
__global__ void ldmatrix_kernel(float* out) {
  QCF_SHARED(uint4, tile, 32);
  auto* const values = reinterpret_cast<unsigned short*>(&tile[threadIdx.x]);
  for (int i = 0; i < 8; ++i) values[i] = static_cast<unsigned short>(8 * threadIdx.x + i);
  __syncwarp();
  std::uint32_t r[4];
  cuda::ldmatrix_x4<kTranspose>(r, &tile[threadIdx.x]);
  for (int m = 0; m < 4; ++m) {
    out[(m * 32 + threadIdx.x) * 2] = static_cast<float>(r[m] & 0xFFFFu);
    out[(m * 32 + threadIdx.x) * 2 + 1] = static_cast<float>(r[m] >> 16);
  }
}

template <bool kTranspose>
ConformanceCase ldmatrix_case() {
  DeviceBuffer<float> out(256);
  check_cuda(cuda::launch(ldmatrix_kernel<kTranspose>, 1, 32, 0, nullptr, out.data()));
  ConformanceCase one{kTranspose ? "ldmatrix transposed" : "ldmatrix", out.host(), {}, 0};
  for (int m = 0; m < 4; ++m) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int e = 0; e < 2; ++e) {
        const int row = kTranspose ? lane % 4 * 2 + e : lane / 4,
                  column = kTranspose ? lane / 4 : lane % 4 * 2 + e;
        one.want.push_back(m * 64 + row * 8 + column);
      }
    }
  }
  return one;
}

// ---- mma: A [16][16], B [n = 8][k = 16] through ldmatrix, C [16][8] ---------------------------------------
template <class T>
__global__ void mma_kernel(const T* a, const T* b, const float* c, float* out) {
  QCF_SHARED(uint4, raw, 48);
  T* const sa = reinterpret_cast<T*>(&raw[0]);
  T* const sb = reinterpret_cast<T*>(&raw[32]);
  const int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) sa[i] = a[i];
  for (int i = lane; i < 128; i += 32) sb[i] = b[i];
  __syncwarp();
  std::uint32_t fa[4], fb4[4];
  cuda::ldmatrix_x4<false>(fa, sa + (lane % 8 + lane / 8 % 2 * 8) * 16 + lane / 16 * 8);
  // Matrices 2 and 3 repeat the first two.
  cuda::ldmatrix_x4<false>(fb4, sb + lane % 8 * 16 + lane / 8 % 2 * 8);
  const std::uint32_t fb[2] = {fb4[0], fb4[1]};
  float fc[4];
  for (int i = 0; i < 4; ++i) fc[i] = c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2];
  cuda::mma_m16n8k16<T>(fc, fa, fb);
  for (int i = 0; i < 4; ++i) out[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = fc[i];
}

template <class T>
ConformanceCase mma_case(Input kind) {
  const auto a = input<T>(kind, 1, 256), b = input<T>(kind, 2, 128);
  const auto c = input<float>(kind, 3, 128);
  const DeviceBuffer<T> da(a), db(b);
  const DeviceBuffer<float> dc(c);
  DeviceBuffer<float> out(128);
  check_cuda(cuda::launch(mma_kernel<T>, 1, 32, 0, nullptr, da.data(), db.data(), dc.data(), out.data()));
  return {std::string("mma m16n8k16 ") + type_name<T>() + " " + input_name(kind), out.host(),
          reference_product(
              16, 8, 16, [&](int i, int p) { return as_double(a[static_cast<std::size_t>(i * 16 + p)]); },
              [&](int p, int j) { return as_double(b[static_cast<std::size_t>(j * 16 + p)]); },
              [&](int i, int j) { return as_double(c[static_cast<std::size_t>(i * 8 + j)]); }),
          product_tolerance(kind, 16)};
}

// ---- cp.async: two groups in flight, invalid pieces become zero -------------------------------------------
__global__ void cp_async_kernel(const float* x, float* out) {
  QCF_SHARED(float4, buffer, 2 * 32);
  const int lane = threadIdx.x;
  for (int stage = 0; stage < 2; ++stage) {
    cuda::cp_async_16(&buffer[stage * 32 + lane], x + (stage * 32 + lane) * 4, (lane + stage) % 3 != 0);
    cuda::cp_async_commit();
  }
  cuda::cp_async_wait<1>();
  __syncwarp();
  float4 v = buffer[31 - lane];
  out[lane] = v.x + v.y + v.z + v.w;
  cuda::cp_async_wait<0>();
  __syncwarp();
  v = buffer[32 + 31 - lane];
  out[32 + lane] = v.x + v.y + v.z + v.w;
}

ConformanceCase cp_async_case() {
  const auto x = input<float>(Input::kIntegers, 4, 256);
  const DeviceBuffer<float> dx(x);
  DeviceBuffer<float> out(64);
  check_cuda(cuda::launch(cp_async_kernel, 1, 32, 0, nullptr, dx.data(), out.data()));
  ConformanceCase one{"cp.async", out.host(), {}, 0};
  for (int stage = 0; stage < 2; ++stage) {
    for (int lane = 31; lane >= 0; --lane) {
      double sum = 0;
      for (int i = 0; i < 4; ++i) sum += as_double(x[static_cast<std::size_t>((stage * 32 + lane) * 4 + i)]);
      one.want.push_back((lane + stage) % 3 != 0 ? sum : 0);
    }
  }
  return one;
}

// ---- named barriers: warp 0 produces for warp 1, who hands the buffer back by an arrival ------------------
__global__ void named_barrier_kernel(float* out) {
  QCF_SHARED(float, buffer, 32);
  const int lane = threadIdx.x % 32;
  for (int round = 0; round < 4; ++round) {
    if (threadIdx.x < 32) {
      if (round > 0) cuda::named_barrier_sync(2, 64);
      buffer[lane] = static_cast<float>(100 * round + lane);
      cuda::named_barrier_arrive(1, 64);
    } else {
      cuda::named_barrier_sync(1, 64);
      out[round * 32 + lane] = buffer[31 - lane];
      if (round < 3) cuda::named_barrier_arrive(2, 64);
    }
  }
}

ConformanceCase named_barrier_case() {
  DeviceBuffer<float> out(128);
  check_cuda(cuda::launch(named_barrier_kernel, 1, 64, 0, nullptr, out.data()));
  ConformanceCase one{"named barriers", out.host(), {}, 0};
  for (int i = 0; i < 128; ++i) one.want.push_back(100 * (i / 32) + 31 - i % 32);
  return one;
}

// ---- shuffles, votes and reductions -----------------------------------------------------------------------
constexpr int kWarpValues = 10;

__global__ void warp_kernel(float* out) {
  QCF_SHARED(float, scratch, 2);
  const int t = threadIdx.x, lane = t % 32;
  const float v = static_cast<float>(t * t % 37);
  const unsigned odd = __ballot_sync(~0u, lane % 3 == 1);
  float* const to = out + t * kWarpValues;
  to[0] = __shfl_sync(~0u, v, 5);
  to[1] = __shfl_sync(~0u, v, lane + 3, 8);
  to[2] = __shfl_xor_sync(~0u, v, 9);
  to[3] = __shfl_down_sync(~0u, v, 4, 16);
  to[4] = __shfl_up_sync(~0u, v, 3);
  to[5] = static_cast<float>(__popc(odd) + 100 * (__ffs(static_cast<int>(odd)) - 1));
  to[6] = static_cast<float>(__any_sync(~0u, t == 40) + 2 * __all_sync(~0u, t < 32));
  to[7] = cuda::warp_max(v);
  to[8] = cuda::block_sum<64>(v, scratch);
  to[9] = cuda::block_max<64>(v, scratch);
}

ConformanceCase warp_case() {
  DeviceBuffer<float> out(64 * kWarpValues);
  check_cuda(cuda::launch(warp_kernel, 1, 64, 0, nullptr, out.data()));
  ConformanceCase one{"shuffles, votes, reductions", out.host(), {}, 0};
  const auto value = [](int t) { return static_cast<double>(t * t % 37); };
  for (int t = 0; t < 64; ++t) {
    const int lane = t % 32, warp = t - lane;
    double warp_most = 0, block_most = 0, sum = 0;
    for (int i = 0; i < 32; ++i) warp_most = std::fmax(warp_most, value(warp + i));
    for (int i = 0; i < 64; ++i) {
      block_most = std::fmax(block_most, value(i));
      sum += value(i);
    }
    const double want[kWarpValues] = {value(warp + 5),
                                      value(warp + lane / 8 * 8 + (lane + 3) % 8),
                                      value(warp + (lane ^ 9)),
                                      value(lane % 16 + 4 < 16 ? t + 4 : t),
                                      value(lane >= 3 ? t - 3 : t),
                                      11 + 100,
                                      warp == 0 ? 2.0 : 1.0,
                                      warp_most,
                                      sum,
                                      block_most};
    one.want.insert(one.want.end(), want, want + kWarpValues);
  }
  return one;
}

// ---- conversions and 16-byte access: the bits that each float becomes, and back ---------------------------
template <class T>
__global__ void round_kernel(const float* x, T* rounded, int count) {
  constexpr int kSize = cuda::Vector<T>::kSize;
  const int at = threadIdx.x * kSize;
  if (at >= count) return;
  cuda::Vector<T> v;
  for (int i = 0; i < kSize; ++i) v.set(i, x[at + i]);
  cuda::store(rounded + at, v);
}

// A kernel of its own: the read-only path need not see what the same kernel has stored.
template <class T>
__global__ void widen_kernel(const float* x, const T* rounded, float* out, int count) {
  constexpr int kSize = cuda::Vector<T>::kSize;
  const int at = threadIdx.x * kSize;
  if (at >= count) return;
  const auto again = cuda::load_readonly(rounded + at);
  for (int i = 0; i < kSize; i += 2) {
    const float2 both = cuda::unpack2<T>(cuda::pack2<T>(again.get(i), x[at + i + 1]));
    out[at + i] = both.x;
    out[at + i + 1] = both.y;
  }
}

template <class T>
ConformanceCase convert_case() {
  // Exact powers, the midpoints around 1, the smallest subnormals of fp16, its largest number and beyond.
  std::vector<float> x = {
      1.0f,     -2.5f,      1.0f + 0x1p-11f, 1.0f + 0x3p-11f, 1.0f + 0x1p-8f,       1 + 0x3p-8f,
      0x1p-24f, 0x1p-25f,   0x3p-25f,        0x1.8p-24f,      0x1.ffp-15f,          0x1p-14f,
      65504.0f, 65519.0f,   -0.0f,           0x1.004p-14f,    3.14159265f,          0x1.fffffep-15f,
      1e-3f,    -1234.567f, 0x1.ffcp-15f,    0x1.ffep-15f,    1.0f + 0x1.00002p-8f, 60000.0f};
  const DeviceBuffer<float> dx(x);
  DeviceBuffer<T> rounded(x.size());
  DeviceBuffer<float> out(x.size());
  const int count = static_cast<int>(x.size());
  check_cuda(cuda::launch(round_kernel<T>, 1, 32, 0, nullptr, dx.data(), rounded.data(), count));
  check_cuda(cuda::launch(widen_kernel<T>, 1, 32, 0, nullptr, dx.data(), rounded.data(), out.data(), count));
  ConformanceCase one{std::string("conversion to ") + type_name<T>(), out.host(), {}, 0};
  for (const float v : x) {
    // Round to nearest even on the grid of the type around v, in double.
    const bool half = std::is_same_v<T, __half>;
    int exponent = 0;
    std::frexp(static_cast<double>(v), &exponent);
    const int digits = half ? 11 : 8, lowest = half ? -24 : -133;
    const double unit = std::ldexp(1.0, exponent - digits > lowest ? exponent - digits : lowest);
    one.want.push_back(std::nearbyint(static_cast<double>(v) / unit) * unit);
  }
  return one;
}

}  // namespace

std::vector<ConformanceCase> run_ampere_conformance() {
  std::vector<ConformanceCase> cases;
  cases.push_back(convert_case<__half>());
  cases.push_back(convert_case<__nv_bfloat16>());
  cases.push_back(warp_case());
  cases.push_back(named_barrier_case());
  cases.push_back(ldmatrix_case<false>());
  cases.push_back(ldmatrix_case<true>());
  for (const Input kind : {Input::kIntegers, Input::kRandom}) {
    cases.push_back(mma_case<__half>(kind));
    cases.push_back(mma_case<__nv_bfloat16>(kind));
  }
  cases.push_back(cp_async_case());
  return cases;
}

}  // namespace qcface::test
