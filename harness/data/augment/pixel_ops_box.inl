// Part of pixel_ops_*.cpp. Column sums run down the picture; each row adds `size` of them sideways.

template <int kSize>
void box_of(const Padded& in, std::uint16_t* columns, std::uint8_t* out) {
  // floor((sum + area / 2) / area) by one 16-bit multiplication; exact for every sum up to 255 * area.
  constexpr std::uint32_t kArea = kSize * kSize;
  constexpr int kShift = kSize == 3 ? 3 : kSize == 5 ? 4 : 5;
  constexpr std::uint32_t kInverse = ((1u << (16 + kShift)) + kArea - 1) / kArea;
  const std::size_t padded_bytes = 3 * static_cast<std::size_t>(in.width + kSize - 1);
  const std::size_t row_bytes = 3 * static_cast<std::size_t>(in.width);
  for (std::size_t x = 0; x < padded_bytes; ++x) {
    std::uint16_t sum = 0;
    for (int k = 0; k < kSize - 1; ++k)
      sum = static_cast<std::uint16_t>(sum + in.pixels[static_cast<std::size_t>(k) * in.stride + x]);
    columns[x] = sum;
  }
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* enters = in.pixels + static_cast<std::size_t>(y + kSize - 1) * in.stride;
    const std::uint8_t* leaves = in.pixels + static_cast<std::size_t>(y) * in.stride;
    for (std::size_t x = 0; x < padded_bytes; ++x)
      columns[x] = static_cast<std::uint16_t>(columns[x] + enters[x]);
    std::uint8_t* row = out + static_cast<std::size_t>(y) * row_bytes;
    for (std::size_t x = 0; x < row_bytes; ++x) {
      std::uint16_t sum = kArea / 2;
      for (std::size_t k = 0; k < kSize; ++k) sum = static_cast<std::uint16_t>(sum + columns[x + 3 * k]);
      const auto high = static_cast<std::uint16_t>((std::uint32_t{sum} * kInverse) >> 16);
      row[x] = static_cast<std::uint8_t>(high >> kShift);
    }
    for (std::size_t x = 0; x < padded_bytes; ++x)
      columns[x] = static_cast<std::uint16_t>(columns[x] - leaves[x]);
  }
}

void box(const Padded& in, int size, std::uint16_t* scratch, std::uint8_t* out) {
  if (size == 3) return box_of<3>(in, scratch, out);
  if (size == 5) return box_of<5>(in, scratch, out);
  box_of<7>(in, scratch, out);
}
