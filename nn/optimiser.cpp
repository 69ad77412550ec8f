#include "nn/optimiser.h"

#include <atomic>
#include <bit>
#include <cstdint>

#include "core/error.h"
#include "kernels/device/parallel.h"
#include "kernels/device/update.h"

namespace qcface::nn {
namespace {

constexpr std::int64_t kGrain = 64 * 1024;  // elements a task: 768 KiB of operands

void check(std::span<float> weights, std::span<const float> gradients, std::span<float> slot) {
  require(gradients.size() == weights.size() && slot.size() == weights.size(),
          "optimiser: {} weights, {} gradients and a slot of {}; all three must be equally long",
          weights.size(), gradients.size(), slot.size());
  const auto apart = [](std::span<const float> a, std::span<const float> b) {
    return a.empty() || a.data() + a.size() <= b.data() || b.data() + b.size() <= a.data();
  };
  require(apart(weights, gradients) && apart(weights, slot) && apart(gradients, slot),
          "optimiser: weights, gradients and slot must not overlap");
}

}  // namespace

void update_weights(std::span<float> weights, std::span<const float> gradients, std::span<float> slot,
                    float rate, const OptimiserSettings& settings, int threads) {
  check(weights, gradients, slot);
  const UpdateRule rule{rate, settings.momentum, settings.weight_decay};
  parallel_for_range(static_cast<std::int64_t>(weights.size()), kGrain, threads,
                     [&](std::int64_t begin, std::int64_t end) {
                       float* const __restrict p = weights.data();
                       const float* const __restrict g = gradients.data();
                       float* const __restrict v = slot.data();
#pragma omp simd
                       for (std::int64_t i = begin; i < end; ++i) rule.apply(g[i], p[i], v[i]);
                     });
}

bool all_finite(std::span<const float> values, int threads) {
  std::atomic<bool> finite{true};
  parallel_for_range(static_cast<std::int64_t>(values.size()), kGrain, threads,
                     [&](std::int64_t begin, std::int64_t end) {
                       // Exponent all ones means NaN or infinity. Integers, so that no floating-point option can remove the test.
                       std::uint32_t bad = 0;
                       for (std::int64_t i = begin; i < end; ++i) {
                         const auto bits = std::bit_cast<std::uint32_t>(values[static_cast<std::size_t>(i)]);
                         bad |= static_cast<std::uint32_t>((bits & 0x7F800000u) == 0x7F800000u);
                       }
                       if (bad) finite.store(false, std::memory_order_relaxed);
                     });
  return finite.load();
}

}  // namespace qcface::nn
