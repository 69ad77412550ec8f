// Compiled with -mavx2 (see CMakeLists.txt); nothing here runs before the processor has been asked.
#include <cstddef>
#include <cstdint>

#include "harness/data/augment/pixel_ops.h"

namespace qcface::data {
namespace {
constexpr int kLanes = 32;
#include "harness/data/augment/pixel_ops_box.inl"
#include "harness/data/augment/pixel_ops_lab.inl"
#include "harness/data/augment/pixel_ops_median.inl"
}  // namespace

const PixelOps* pixel_ops_avx2() {
  static constexpr PixelOps kOps{"avx2", median, median_scratch_bytes, box, rgb_to_lab, lab_to_rgb};
  return __builtin_cpu_supports("avx2") ? &kOps : nullptr;
}

}  // namespace qcface::data
