// Backward of y = prelu(a x + b + residual). Pass 1 sums over the rows, pass 2 writes dx and the residual's
// gradient.
//
// Bytes moved: pass 1 reads x and dy once (and the residual, if it lies under a PReLU): 2 R C sizeof(T). Pass
// 2 reads dy, and x where the statistics or a PReLU depend on it, and writes dx: 3 R C sizeof(T); the
// residual's gradient is one more write, an accumulation one more read. The values before the PReLU are
// computed again from x, never stored.
#include "nn/cuda/pointwise.cuh"

namespace qcface::nn::cuda {
namespace {

constexpr int kKinds = 3;  // rows of a group's partial sums: dz, dz (x - mean), slope gradient

template <class T, int V, bool kSlope>
__global__ __launch_bounds__(kRowThreads,
                             2) void sums_kernel(const T* __restrict__ x, const T* __restrict__ residual,
                                                 const T* __restrict__ dy, std::int64_t rows, int channels,
                                                 RowCut cut, const float* __restrict__ saved,
                                                 const float* __restrict__ slope,
                                                 float* __restrict__ partials) {
  QCF_SHARED(float, shared, kRowThreads* V);
  const RowPlace place = row_place<V>(cut, rows, channels);
  const std::int64_t stride = cut.lanes_r;
  float sums[kSlope ? 3 : 2][V];
  QCF_UNROLL
  for (int i = 0; i < V; ++i) {
    sums[0][i] = sums[1][i] = 0;
    if constexpr (kSlope) sums[2][i] = 0;
  }
  if (place.active) {
    Coefficients<V> k;
    if constexpr (kSlope) k.load(saved, slope, channels, place.channel);
    float mean[V];
    load_floats<V>(mean, saved, 2 * channels + place.channel, 0.0f);
    for (std::int64_t row = place.first; row < place.end; row += kRun * stride) {
      Pack<T, V> values[kRun], gradients[kRun];
      QCF_UNROLL
      for (int j = 0; j < kRun; ++j) {
        const std::int64_t r = row_of_run(place, row, j, stride);
        values[j] = load_pack<T, V>(x + r * channels + place.channel);
        gradients[j] = load_pack<T, V>(dy + r * channels + place.channel);
      }
      QCF_UNROLL
      for (int j = 0; j < kRun; ++j) {
        const std::int64_t r = row + j * stride;
        if (r >= place.end) continue;
        const auto added = load_if<T, V>(kSlope && residual, residual, r * channels + place.channel);
        QCF_UNROLL
        for (int i = 0; i < V; ++i) {
          const float v = values[j].get(i);
          float dz = gradients[j].get(i);
          if constexpr (kSlope) {
            const float z = k.before_prelu(i, v, added.get(i));
            sums[2][i] += z > 0 ? 0.0f : dz * z;
            dz = z > 0 ? dz : dz * k.slope[i];
          }
          sums[0][i] += dz;
          sums[1][i] = fmaf(dz, v - mean[i], sums[1][i]);
        }
      }
    }
  }
  block_sums<V>(sums, place, cut, channels, kKinds, shared, partials);
}

struct Finalise {
  const float* partials;
  const float* saved;
  float* factors;  // rows c1, c0 of [channels]: dx = a dz + c1 x + c0
  float* d_gamma;
  float* d_beta;
  float* d_slope;
  std::int64_t rows;
  int channels;
  int groups;
  bool frozen;
  double* totals;  // not null: what a rank hands on, in place of the factors
};

/// dx = a dz + c1 (x - mean) + c2 with the mean taken into the constant: as exact as a x + b is in the forward pass.
__device__ __forceinline__ void write_factors(const Finalise& f, int c, double sum, double moment,
                                              double count) {
  const double a = static_cast<double>(f.saved[c]);
  const double inverse = static_cast<double>(f.saved[3 * f.channels + c]);
  const float c1 = f.frozen ? 0.0f : static_cast<float>(-a * inverse * inverse * moment / count);
  const double c2 = f.frozen ? 0.0 : -a * sum / count;
  f.factors[c] = c1;
  f.factors[f.channels + c] =
      static_cast<float>(c2 - static_cast<double>(c1) * static_cast<double>(f.saved[2 * f.channels + c]));
}

__global__ __launch_bounds__(kMergeThreads) void finalise_kernel(Finalise f) {
  QCF_SHARED(double, shared, kMergeThreads);
  const int c =
      static_cast<int>(blockIdx.x) * kMergeChannels + static_cast<int>(threadIdx.x) % kMergeChannels;
  const int lane = static_cast<int>(threadIdx.x) / kMergeChannels;
  const bool active = c < f.channels;
  double sums[kKinds] = {0, 0, 0};
  if (active) {
    const int kinds = f.d_slope ? 3 : 2;  // without slopes the third row was never written
    for (int group = lane; group < f.groups; group += kMergeLanes) {
      const float* const at = f.partials + static_cast<std::int64_t>(group) * kKinds * f.channels + c;
      for (int k = 0; k < kinds; ++k)
        sums[k] += static_cast<double>(at[static_cast<std::int64_t>(k) * f.channels]);
    }
  }
  QCF_UNROLL
  for (int k = 0; k < kKinds; ++k) sums[k] = merge_lanes(sums[k], shared);
  if (!active || lane != 0) return;
  if (f.d_slope) f.d_slope[c] = static_cast<float>(sums[2]);
  if (!f.saved) return;
  f.d_gamma[c] = static_cast<float>(sums[1] * static_cast<double>(f.saved[3 * f.channels + c]));
  f.d_beta[c] = static_cast<float>(sums[0]);
  if (f.totals == nullptr) return write_factors(f, c, sums[0], sums[1], static_cast<double>(f.rows));
  f.totals[c] = sums[0];
  f.totals[f.channels + c] = sums[1];
  if (c == 0) f.totals[2 * f.channels] = static_cast<double>(f.rows);
}

__global__ __launch_bounds__(kRowThreads) void factors_kernel(Finalise f) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c < f.channels) write_factors(f, c, f.totals[c], f.totals[f.channels + c], f.totals[2 * f.channels]);
}

struct Apply {
  const float* saved;
  const float* slope;
  const float* factors;  // null: no gradient through the statistics
  std::int64_t rows;
  int channels;
  RowCut cut;
  bool accumulate_residual;
};

// kReadX: x is needed, for the statistics or for the sign before the PReLU. kResidualPart: there is a
// residual under a PReLU or a gradient of the residual to write; the common case does without their
// registers. x, residual and the outputs may be the same memory as dy; a thread loads all it needs of a run
// before it stores, and touches nobody else's values.
template <class T, int V, bool kReadX, bool kAccumulate, bool kResidualPart>
__global__ __launch_bounds__(kRowThreads, 2) void apply_kernel(const T* x, const T* residual, const T* dy,
                                                               T* dx, T* d_residual, Apply p) {
  const RowPlace place = row_place<V>(p.cut, p.rows, p.channels);
  if (!place.active) return;
  const std::int64_t stride = p.cut.lanes_r;
  Coefficients<V> k;
  k.load(p.saved, p.slope, p.channels, place.channel);
  float c1[V], c0[V];
  load_floats<V>(c1, p.factors, place.channel, 0.0f);
  load_floats<V>(c0, p.factors, p.channels + place.channel, 0.0f);
  // As many rows at once as the registers hold.
  constexpr int kRows = kResidualPart ? kRun / 2 : kRun;
  for (std::int64_t row = place.first; row < place.end; row += kRows * stride) {
    Pack<T, V> values[kRows], gradients[kRows], added[kRows], old_dx[kRows], old_residual[kRows];
    QCF_UNROLL
    for (int j = 0; j < kRows; ++j) {
      const std::int64_t r = row_of_run(place, row, j, stride);
      const std::int64_t at = r * p.channels + place.channel;
      gradients[j] = load_pack<T, V>(dy + at);
      if constexpr (kReadX) {
        values[j] = load_pack<T, V>(x + at);
        added[j] = load_if<T, V>(kResidualPart && residual, residual, at);
      }
      old_dx[j] = load_if<T, V>(kAccumulate, dx, at);
      old_residual[j] = load_if<T, V>(kResidualPart && p.accumulate_residual, d_residual, at);
    }
    QCF_UNROLL
    for (int j = 0; j < kRows; ++j) {
      const std::int64_t r = row + j * stride;
      if (r >= place.end) continue;
      const std::int64_t at = r * p.channels + place.channel;
      float dz[V], out[V];
      QCF_UNROLL
      for (int i = 0; i < V; ++i) {
        dz[i] = gradients[j].get(i);
        float rest = 0;
        if constexpr (kReadX) {
          const float v = values[j].get(i);
          const float z = k.before_prelu(i, v, added[j].get(i));
          dz[i] = z > 0 ? dz[i] : dz[i] * k.slope[i];
          rest = fmaf(c1[i], v, c0[i]);
        }
        out[i] = fmaf(k.a[i], dz[i], rest);
        if constexpr (kAccumulate) out[i] += old_dx[j].get(i);
        if constexpr (kResidualPart) dz[i] += old_residual[j].get(i);
      }
      if (dx) store(dx + at, narrow_pack<T, V>(out));
      if (kResidualPart && d_residual) store(d_residual + at, narrow_pack<T, V>(dz));
    }
  }
}

template <class T, int V, bool kReadX>
auto* apply_variant(bool accumulate, bool part) {
  return accumulate
             ? (part ? apply_kernel<T, V, kReadX, true, true> : apply_kernel<T, V, kReadX, true, false>)
             : (part ? apply_kernel<T, V, kReadX, false, true> : apply_kernel<T, V, kReadX, false, false>);
}

RowCut sums_cut(const PointwiseShape& s) { return cut_rows(s.type, s.rows, s.channels, RowPurpose::kSums); }

std::size_t partial_floats(const PointwiseShape& s) {
  // A multiple of 4, so that the factors behind them are aligned too.
  const std::size_t floats = static_cast<std::size_t>(kKinds) * static_cast<std::size_t>(sums_cut(s).groups) *
                             static_cast<std::size_t>(s.channels);
  return (floats + 3) / 4 * 4;
}

bool needs_sums(const PointwiseBackward& call) { return call.saved != nullptr || call.slope != nullptr; }

/// The residual matters only under a PReLU.
const void* residual_of(const PointwiseBackward& call) { return call.slope ? call.residual : nullptr; }

}  // namespace

std::size_t pointwise_backward_workspace_bytes(const PointwiseShape& shape) {
  return (partial_floats(shape) + std::size_t{2} * static_cast<std::size_t>(shape.channels)) * sizeof(float);
}

void pointwise_backward_sums(const PointwiseBackward& call, void* workspace, cudaStream_t stream) {
  constexpr const char* kName = "pointwise_backward_sums";
  const PointwiseShape& s = call.shape;
  check_shape(s, kName);
  if (s.rows == 0 || !needs_sums(call)) return;
  check_pointer(call.x, kName, "x");
  check_pointer(call.dy, kName, "dy");
  check_pointer(workspace, kName, "workspace");
  check_optional(residual_of(call), kName, "residual");
  const RowCut cut = sums_cut(s);
  const dim3 grid(static_cast<unsigned>(cut.groups), static_cast<unsigned>(cut.channel_tiles));
  with_type_and_vector(s.type, cut.vector, kName, [&](auto value, auto vector) {
    using T = decltype(value);
    constexpr int kVector = decltype(vector)::value;
    auto* kernel = call.slope ? sums_kernel<T, kVector, true> : sums_kernel<T, kVector, false>;
    check_launch(
        qcface::cuda::launch(kernel, grid, dim3(kRowThreads), 0, stream, static_cast<const T*>(call.x),
                             static_cast<const T*>(residual_of(call)), static_cast<const T*>(call.dy), s.rows,
                             s.channels, cut, call.saved, call.slope, static_cast<float*>(workspace)),
        kName);
  });
}

void pointwise_backward_finalise(const PointwiseBackward& call, void* workspace, float* d_gamma,
                                 float* d_beta, float* d_slope, cudaStream_t stream) {
  constexpr const char* kName = "pointwise_backward_finalise";
  const PointwiseShape& s = call.shape;
  check_shape(s, kName);
  if (!needs_sums(call)) return;
  require_call(s.rows > 0, kName, "there are no rows to take gradients from");
  check_pointer(workspace, kName, "workspace");
  if (call.saved) check_pointer(d_gamma, kName, "d_gamma");
  if (call.saved) check_pointer(d_beta, kName, "d_beta");
  if (call.slope) check_pointer(d_slope, kName, "d_slope");
  float* const partials = static_cast<float*>(workspace);
  const Finalise arguments{partials,    call.saved, partials + partial_floats(s),
                           d_gamma,     d_beta,     call.slope ? d_slope : nullptr,
                           s.rows,      s.channels, sums_cut(s).groups,
                           call.frozen, call.totals};
  check_launch(qcface::cuda::launch(finalise_kernel, dim3(static_cast<unsigned>(merge_blocks(s.channels))),
                                    dim3(kMergeThreads), 0, stream, arguments),
               kName);
}

void pointwise_backward_factors(const PointwiseBackward& call, void* workspace, cudaStream_t stream) {
  constexpr const char* kName = "pointwise_backward_factors";
  const PointwiseShape& s = call.shape;
  check_shape(s, kName);
  check_pointer(call.saved, kName, "saved");
  check_pointer(call.totals, kName, "totals");
  check_pointer(workspace, kName, "workspace");
  Finalise arguments{};
  arguments.saved = call.saved;
  arguments.factors = static_cast<float*>(workspace) + partial_floats(s);
  arguments.channels = s.channels;
  arguments.totals = call.totals;
  const unsigned blocks = static_cast<unsigned>((s.channels + kRowThreads - 1) / kRowThreads);
  check_launch(qcface::cuda::launch(factors_kernel, dim3(blocks), dim3(kRowThreads), 0, stream, arguments),
               kName);
}

void pointwise_backward(const PointwiseBackward& call, const void* workspace, cudaStream_t stream) {
  constexpr const char* kName = "pointwise_backward";
  const PointwiseShape& s = call.shape;
  check_shape(s, kName);
  if (s.rows == 0 || (!call.dx && !call.d_residual)) return;
  const bool through_statistics = call.saved && !call.frozen;
  check_pointer(call.dy, kName, "dy");
  if (needs_x(call)) check_pointer(call.x, kName, "x");
  if (through_statistics) check_pointer(workspace, kName, "workspace");
  check_optional(residual_of(call), kName, "residual");
  check_optional(call.dx, kName, "dx");
  check_optional(call.d_residual, kName, "d_residual");
  require_call(call.dx != call.d_residual, kName, "dx and d_residual are the same memory; give each its own");
  const RowCut cut = cut_rows(s.type, s.rows, s.channels, RowPurpose::kApply);
  const Apply p{call.saved,
                call.slope,
                through_statistics ? static_cast<const float*>(workspace) + partial_floats(s) : nullptr,
                s.rows,
                s.channels,
                cut,
                call.d_residual && call.accumulate_residual};
  const dim3 grid(static_cast<unsigned>(cut.groups), static_cast<unsigned>(cut.channel_tiles));
  with_type_and_vector(s.type, cut.vector, kName, [&](auto value, auto vector) {
    using T = decltype(value);
    constexpr int kVector = decltype(vector)::value;
    const bool part = call.d_residual || residual_of(call), accumulate = call.dx && call.accumulate_dx;
    auto* kernel = needs_x(call) ? apply_variant<T, kVector, true>(accumulate, part)
                                 : apply_variant<T, kVector, false>(accumulate, part);
    check_launch(
        qcface::cuda::launch(kernel, grid, dim3(kRowThreads), 0, stream, static_cast<const T*>(call.x),
                             static_cast<const T*>(residual_of(call)), static_cast<const T*>(call.dy),
                             static_cast<T*>(call.dx), static_cast<T*>(call.d_residual), p),
        kName);
  });
}

}  // namespace qcface::nn::cuda
