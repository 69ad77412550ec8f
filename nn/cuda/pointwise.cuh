// What the forward and backward kernels of pointwise.h share: the coefficients of a thread's channels and the
// value before the PReLU, computed by the same operations in both directions, so that backward sees the signs
// of forward.
#pragma once

#include "nn/cuda/pointwise.h"
#include "nn/cuda/rows.cuh"
#include "nn/cuda/values.cuh"

namespace qcface::nn::cuda {

template <int V>
struct Coefficients {
  float a[V], b[V], slope[V];

  /// `saved` and `slopes` may be null: a = 1, b = 0; slope = 1.
  __device__ __forceinline__ void load(const float* saved, const float* slopes, int channels, int channel) {
    load_floats<V>(a, saved, channel, 1.0f);
    load_floats<V>(b, saved, channels + channel, 0.0f);
    load_floats<V>(slope, slopes, channel, 1.0f);
  }
  __device__ __forceinline__ float before_prelu(int i, float x, float residual) const {
    return fmaf(a[i], x, b[i]) + residual;
  }
};

inline void check_shape(const PointwiseShape& shape, const char* function) {
  require_call(shape.rows >= 0 && shape.channels > 0, function,
               "rows must not be negative and channels must be positive");
}

}  // namespace qcface::nn::cuda
