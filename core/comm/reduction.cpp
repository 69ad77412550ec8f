#include "core/comm/reduction.h"

#include <qcface/kernels.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace qcface {
namespace {

constexpr std::int64_t kBlock = 1024;  // elements: sums of a block stay in the nearest cache over all parts

template <class T>
T larger(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return a + b;
  }
  return std::max(a, b);
}

template <class T>
void sum_or_max(const std::vector<const void*>& parts, std::int64_t count, Reduce reduce, void* result) {
  T block[kBlock];  // so that `result` may be any part
  for (std::int64_t first = 0; first < count; first += kBlock) {
    const std::int64_t length = std::min(kBlock, count - first);
    const std::size_t bytes = static_cast<std::size_t>(length) * sizeof(T);
    std::memcpy(block, static_cast<const T*>(parts.front()) + first, bytes);
    for (std::size_t r = 1; r < parts.size(); ++r) {
      const T* const values = static_cast<const T*>(parts[r]) + first;
      if (reduce == Reduce::kSum) {
        for (std::int64_t i = 0; i < length; ++i) block[i] = block[i] + values[i];
      } else {
        for (std::int64_t i = 0; i < length; ++i) block[i] = larger(block[i], values[i]);
      }
    }
    std::memcpy(static_cast<T*>(result) + first, block, bytes);
  }
}

void log_sum_exp(const std::vector<const void*>& parts, std::int64_t count, void* result) {
  std::vector<double> together(parts.size() * static_cast<std::size_t>(std::min(kBlock, count)));
  for (std::int64_t first = 0; first < count; first += kBlock) {
    const std::int64_t length = std::min(kBlock, count - first);
    const std::size_t bytes = static_cast<std::size_t>(length) * sizeof(double);
    for (std::size_t r = 0; r < parts.size(); ++r)
      std::memcpy(together.data() + r * static_cast<std::size_t>(length),
                  static_cast<const double*>(parts[r]) + first, bytes);
    qcf_log_sum_exp(together.data(), static_cast<std::int64_t>(parts.size()), length, together.data());
    std::memcpy(static_cast<double*>(result) + first, together.data(), bytes);
  }
}

}  // namespace

void reduce_in_order(const std::vector<const void*>& parts, std::int64_t count, ElementType type,
                     Reduce reduce, void* out) {
  if (reduce == Reduce::kLogSumExp) return log_sum_exp(parts, count, out);
  switch (type) {
    case ElementType::kF32:
      return sum_or_max<float>(parts, count, reduce, out);
    case ElementType::kF64:
      return sum_or_max<double>(parts, count, reduce, out);
    case ElementType::kI32:
      return sum_or_max<std::int32_t>(parts, count, reduce, out);
    case ElementType::kI64:
      return sum_or_max<std::int64_t>(parts, count, reduce, out);
    case ElementType::kBytes:
      break;  // moved, never reduced
  }
}

}  // namespace qcface
