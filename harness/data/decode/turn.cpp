#include "harness/data/decode/turn.h"

#include <cstring>

namespace qcface::data {

Turn Turn::quarter_turns_then_flips(int k, bool flip_columns, bool flip_rows) {
  Turn turn;
  turn.transpose = k == 1 || k == 3;
  turn.reverse_rows = (k == 1 || k == 2) != flip_rows;
  turn.reverse_columns = (k == 2 || k == 3) != flip_columns;
  return turn;
}

void Turn::apply(Image& image, Image& scratch) const {
  if (identity()) return;
  const int height = transpose ? image.width() : image.height();
  const int width = transpose ? image.height() : image.width();
  scratch.reshape(height, width);
  const auto in_row = static_cast<std::ptrdiff_t>(image.width()) * Image::kChannels;
  // Bytes from one output pixel of a row to the next, in the input.
  const std::ptrdiff_t step = (transpose ? in_row : Image::kChannels) * (reverse_columns ? -1 : 1);
  for (int y = 0; y < height; ++y) {
    const int from_y = reverse_rows ? height - 1 - y : y;
    const int from_x = reverse_columns ? width - 1 : 0;
    const std::uint8_t* in = transpose ? image.row(from_x) + Image::kChannels * from_y
                                       : image.row(from_y) + Image::kChannels * from_x;
    std::uint8_t* out = scratch.row(y);
    if (step == Image::kChannels) {
      std::memcpy(out, in, static_cast<std::size_t>(in_row));
      continue;
    }
    for (int x = 0; x < width; ++x, in += step, out += Image::kChannels)
      std::memcpy(out, in, Image::kChannels);
  }
  image.swap(scratch);
}

}  // namespace qcface::data
