// Pixels beyond the edge of a picture.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "harness/data/augment/pixel_ops.h"
#include "harness/data/image.h"

namespace qcface::data {

/// Mirrored without repeating the edge: ... 2 1 | 0 1 2 ... n-1 | n-2 ...; any index, n >= 1.
inline int mirror_index(int i, int n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}
/// The edge pixel repeated.
inline int repeat_index(int i, int n) { return std::clamp(i, 0, n - 1); }

enum class Border { kMirror, kRepeat };

/// Copies a picture into `storage` with a border of `radius` pixels around it.
Padded pad(const Image& image, int radius, Border border, std::vector<std::uint8_t>& storage);

}  // namespace qcface::data
