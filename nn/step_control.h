// What a training step keeps in the backend's memory to decide about its own update, so that a host which reads results a
// step late never finds weights that are worse than those before it.
#pragma once

#include <cstdint>

namespace qcface::nn {

/// key = array << 48 | index of the smallest (array, index) that is NaN or infinite; all ones: none.
struct FiniteRecord {
  unsigned long long key = ~0ull;
};
inline constexpr unsigned long long kAllFinite = ~0ull;
constexpr std::uint32_t finite_array(unsigned long long key) { return static_cast<std::uint32_t>(key >> 48); }
constexpr std::int64_t finite_index(unsigned long long key) {
  return static_cast<std::int64_t>(key & 0xFFFFFFFFFFFFull);
}

/// The loss scale of fp16; `skip` stops updates in every precision.
struct LossScaleRecord {
  float scale = 65536.0f;
  std::uint32_t skip = 0;
  std::uint32_t good_steps = 0;  // since the last change
  std::uint32_t skipped = 0;     // steps left out in all
};
inline constexpr std::uint32_t kLossScaleInterval = 2000;
inline constexpr float kLargestLossScale = 16777216.0f;  // 2^24

struct StepControl {
  FiniteRecord embeddings, gradients;
  LossScaleRecord scale;
  float applied_scale = 1;  // that this step's gradients carry
  float unused = 0;
};

}  // namespace qcface::nn
