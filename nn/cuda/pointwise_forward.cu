// y = prelu(a x + b + residual), each part optional, and on request the statistics of y for the batch norm
// that reads it.
//
// Bytes moved: reads x and, if given, the residual once, writes y once: (2 or 3) R C sizeof(T). The
// statistics come from the values as stored (rounded to T), kept in registers: no further reading.
//
// Slope 1 makes PReLU the identity and a = 1, b = 0 an identity in place of the batch norm (up to the sign of
// 0), so the absent parts need no kernels of their own.
#include "nn/cuda/batch_norm_statistics.cuh"
#include "nn/cuda/pointwise.cuh"

namespace qcface::nn::cuda {
namespace {

template <class T, int V, bool kResidual, bool kEmit>
__global__ __launch_bounds__(kRowThreads,
                             2) void forward_kernel(const T* x, const T* residual, T* y, std::int64_t rows,
                                                    int channels, RowCut cut, const float* __restrict__ saved,
                                                    const float* __restrict__ slope, float* partials) {
  const RowPlace place = row_place<V>(cut, rows, channels);
  const std::int64_t stride = cut.lanes_r;
  Moments<V> moments;
  if constexpr (kEmit) moments.clear();
  if (place.active) {
    Coefficients<V> k;
    k.load(saved, slope, channels, place.channel);
    for (std::int64_t row = place.first; row < place.end; row += kRun * stride) {
      Pack<T, V> values[kRun];
      Pack<T, V> added[kRun];
      QCF_UNROLL
      for (int j = 0; j < kRun; ++j) {
        const std::int64_t r = row_of_run(place, row, j, stride);
        values[j] = load_pack<T, V>(x + r * channels + place.channel);
        added[j] = load_if<T, V>(kResidual, residual, r * channels + place.channel);
      }
      QCF_UNROLL
      for (int j = 0; j < kRun; ++j) {
        const std::int64_t r = row + j * stride;
        if (r >= place.end) continue;
        float out[V];
        QCF_UNROLL
        for (int i = 0; i < V; ++i) {
          const float z = k.before_prelu(i, values[j].get(i), added[j].get(i));
          out[i] = z > 0 ? z : z * k.slope[i];
        }
        values[j] = narrow_pack<T, V>(out);
        store(y + r * channels + place.channel, values[j]);
      }
      if constexpr (kEmit) {
        if (row == place.first) {
          QCF_UNROLL
          for (int i = 0; i < V; ++i) moments.start(i, values[0].get(i));
        }
        QCF_UNROLL
        for (int j = 0; j < kRun; ++j) {
          if (row + j * stride >= place.end) continue;
          QCF_UNROLL
          for (int i = 0; i < V; ++i) moments.add(i, values[j].get(i));
        }
      }
    }
  }
  if constexpr (kEmit) {
    QCF_SHARED(float, shared, 2 * kRowThreads * V);
    block_moments<V>(moments, place, cut, channels, shared, partials);
  }
}

template <class T, int V>
cudaError_t launch_forward(const PointwiseForward& call, cudaStream_t stream) {
  const bool emit = call.next_partials != nullptr;
  auto* kernel = call.residual
                     ? (emit ? forward_kernel<T, V, true, true> : forward_kernel<T, V, true, false>)
                     : (emit ? forward_kernel<T, V, false, true> : forward_kernel<T, V, false, false>);
  const PointwiseShape& s = call.shape;
  const RowCut cut = cut_rows(s.type, s.rows, s.channels, emit ? RowPurpose::kSums : RowPurpose::kApply);
  const dim3 grid(static_cast<unsigned>(cut.groups), static_cast<unsigned>(cut.channel_tiles));
  return qcface::cuda::launch(kernel, grid, dim3(kRowThreads), 0, stream, static_cast<const T*>(call.x),
                              static_cast<const T*>(call.residual), static_cast<T*>(call.y), s.rows,
                              s.channels, cut, call.saved, call.slope,
                              static_cast<float*>(call.next_partials));
}

}  // namespace

void pointwise_forward(const PointwiseForward& call, cudaStream_t stream) {
  constexpr const char* kName = "pointwise_forward";
  check_shape(call.shape, kName);
  if (call.shape.rows == 0) return;
  check_pointer(call.x, kName, "x");
  check_pointer(call.y, kName, "y");
  check_optional(call.residual, kName, "residual");
  check_optional(call.saved, kName, "saved");
  check_optional(call.slope, kName, "slope");
  check_optional(call.next_partials, kName, "next_partials");
  with_type_and_vector(call.shape.type, vector_width(call.shape.type, call.shape.channels), kName,
                       [&](auto value, auto vector) {
                         check_launch(launch_forward<decltype(value), decltype(vector)::value>(call, stream),
                                      kName);
                       });
}

}  // namespace qcface::nn::cuda
