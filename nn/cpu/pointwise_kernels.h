// Inner loops of batch norm, PReLU and addition on one plane of a channel block: `pixels` rows of B floats. Plain
// pointers only: these files are compiled several times for different instruction sets, so nothing inline from
// elsewhere may end up in them.
#pragma once

#include <cstdint>

namespace qcface::nn::cpu {

/// What a pointwise plane needs of its B channels; u = a x + b is the normalised value.
struct PlaneCoefficients {
  const float* a = nullptr;      // gamma / sigma
  const float* b = nullptr;      // beta - mean a
  const float* slope = nullptr;  // PReLU, or null
  const float* mean = nullptr;   // of the batch (or running)
  // Backward: dx = a dz + c1 (x - mean) + c2, dz = dy or slope dy.
  const float* c1 = nullptr;
  const float* c2 = nullptr;
};

struct PointwiseKernels {
  const char* name;
  int block;
  /// sums[0..B): sum of x; sums[B..2B): sum of x squared about 0, accumulated from deviations about the mean of
  /// short runs, so that single precision loses nothing where the mean is large.
  void (*statistics)(const float* x, std::int64_t pixels, double* sums);
  /// y = prelu(a x + b [+ residual]); residual may be null. y may be x or residual.
  void (*forward)(const float* x, const float* residual, float* y, std::int64_t pixels,
                  const PlaneCoefficients& k);
  /// sums[0..B): sum of dz; [B..2B): sum of dz (x - mean); [2B..3B): slope gradient, sum of dy u over u <= 0.
  void (*backward_sums)(const float* x, const float* dy, std::int64_t pixels, const PlaneCoefficients& k,
                        double* sums);
  /// dx = or += ; dx may be dy.
  void (*backward)(const float* x, const float* dy, float* dx, bool accumulate, std::int64_t pixels,
                   const PlaneCoefficients& k);
};

/// Best set for this processor with channel blocks of 8 or 16.
const PointwiseKernels& pointwise_kernels(int block);

namespace detail {
extern const PointwiseKernels kBase8, kBase16;
#ifdef QCFACE_X86
extern const PointwiseKernels kAvx2x8, kAvx2x16, kAvx512x8, kAvx512x16;
#endif
}  // namespace detail

}  // namespace qcface::nn::cpu
