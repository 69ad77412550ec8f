// The pixel loops for any processor of the base architecture, and the choice between the versions.
#include <cstddef>
#include <cstdint>

#include "harness/data/augment/pixel_ops.h"

namespace qcface::data {
namespace {
constexpr int kLanes = 16;
#include "harness/data/augment/pixel_ops_box.inl"
#include "harness/data/augment/pixel_ops_lab.inl"
#include "harness/data/augment/pixel_ops_median.inl"
}  // namespace

const PixelOps& pixel_ops_baseline() {
  static constexpr PixelOps kOps{"baseline", median, median_scratch_bytes, box, rgb_to_lab, lab_to_rgb};
  return kOps;
}

#ifndef QCFACE_DATA_AVX2
const PixelOps* pixel_ops_avx2() { return nullptr; }
#endif

const PixelOps& pixel_ops() {
  static const PixelOps& ops = pixel_ops_avx2() != nullptr ? *pixel_ops_avx2() : pixel_ops_baseline();
  return ops;
}

}  // namespace qcface::data
