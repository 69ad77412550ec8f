#include "harness/data/augment/border.h"

#include <cstring>

namespace qcface::data {

Padded pad(const Image& image, int radius, Border border, std::vector<std::uint8_t>& storage) {
  const int height = image.height(), width = image.width();
  const auto row_bytes = 3 * static_cast<std::size_t>(width + 2 * radius);
  const std::size_t stride = row_bytes + Padded::kRowSlack;
  const std::size_t bytes = stride * static_cast<std::size_t>(height + 2 * radius);
  if (storage.size() < bytes) storage.resize(bytes);
  const auto from = [border](int i, int n) {
    return border == Border::kMirror ? mirror_index(i, n) : repeat_index(i, n);
  };
  for (int y = -radius; y < height + radius; ++y) {
    const std::uint8_t* in = image.row(from(y, height));
    std::uint8_t* out = storage.data() + stride * static_cast<std::size_t>(y + radius);
    std::memcpy(out + 3 * radius, in, 3 * static_cast<std::size_t>(width));
    for (int x = -radius; x < 0; ++x) {
      std::memcpy(out + 3 * (x + radius), in + 3 * from(x, width), 3);
      const int right = width - 1 - x;
      std::memcpy(out + 3 * (right + radius), in + 3 * from(right, width), 3);
    }
  }
  return {storage.data(), stride, height, width};
}

}  // namespace qcface::data
