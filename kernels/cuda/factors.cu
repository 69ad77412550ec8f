// Stage 4 between the two products of a chunk: cosines [N, chunk] -> G = factor_i exp(s N - log_shift_i) N' in the operand
// type, 0 in the label's column (its part is added by the class update). Element-wise; the row's values are the block's.
// Bytes a chunk: reads 4 N chunk, writes 2 or 4 N chunk, all of it in L2.
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/launches.h"
#include "kernels/device/device.cuh"
#include "kernels/device/types.cuh"

namespace qcface::kernels::cuda {
namespace {

using namespace ::qcface::cuda;

constexpr int kThreads = 256;

struct FactorArgs {
  std::int64_t first_class, stride;
  int classes;
  float s, mv_a, scale;
  const float* t;
  const float* cosines;
  const std::int64_t* label;
  const float *margin, *log_shift, *factor;
};

template <class Negatives, class T>
__global__ __launch_bounds__(kThreads) void factors_kernel(const __grid_constant__ FactorArgs a, T* operand) {
  const std::int64_t row = blockIdx.x;
  const int at = 4 * static_cast<int>(blockIdx.y * kThreads + threadIdx.x);
  if (at >= a.classes) return;
  NegativeParams params{0.0f, a.mv_a};
  if constexpr (Negatives::kUsesT) params.t = *a.t;
  const float margin = a.margin[row], shift = a.log_shift[row], factor = a.factor[row] * a.scale;
  const std::int64_t own = a.label[row] - a.first_class;
  const auto c = load<float>(a.cosines + row * a.stride + at);
  Vector<T, 4 * static_cast<int>(sizeof(T))> g;
  QCF_UNROLL
  for (int e = 0; e < 4; ++e) {
    const float v = c[e] > 1.0f ? 1.0f : (c[e] < -1.0f ? -1.0f : c[e]);
    const Negative negative = Negatives::negative(params, v, margin);
    const float value = factor * __expf(fmaf(a.s, negative.logit, -shift)) * negative.slope;
    g.set(e, at + e < a.classes && at + e != own ? value : 0.0f);
  }
  store(operand + row * a.stride + at, g);
}

}  // namespace

cudaError_t factors(const Layout& layout, const qcf_head_config& config, std::int64_t first_class,
                    std::int64_t classes, cudaStream_t stream) {
  const FactorArgs a{first_class,
                     layout.chunk,
                     static_cast<int>(classes),
                     static_cast<float>(config.s),
                     static_cast<float>(config.mv_a),
                     gradient_scale(layout.type, config, layout.batch),
                     &layout.state->t,
                     layout.cosines,
                     layout.label,
                     layout.margin,
                     layout.log_shift,
                     layout.factor};
  const dim3 grid(static_cast<unsigned>(layout.n),
                  static_cast<unsigned>((classes + 4 * kThreads - 1) / (4 * kThreads)));
  return for_negatives(config.kind, [&](auto head) {
    using Negatives = typename decltype(head)::type;
    return for_operand(layout.type, [&](auto operand) {
      using T = typename decltype(operand)::type;
      return launch(factors_kernel<Negatives, T>, grid, kThreads, 0, stream, a,
                    static_cast<T*>(layout.operand));
    });
  });
}

}  // namespace qcface::kernels::cuda
