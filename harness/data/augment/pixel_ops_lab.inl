// Part of pixel_ops_*.cpp. Table look-ups and arithmetic in separate short loops, so that the compiler turns the
// arithmetic into vector code.

constexpr std::size_t kChunk = 128;

inline std::uint8_t clamp_u8(std::int32_t v) {
  return static_cast<std::uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

void rgb_to_lab(const LabTables& tables, const std::uint8_t* rgb, std::size_t pixels, std::uint8_t* l,
                std::uint8_t* a, std::uint8_t* b) {
  constexpr int kBits = LabTables::kForwardBits;
  constexpr std::int32_t kLScale = (116 * 255 + 50) / 100;
  constexpr std::int32_t kLShift = -((16 * 255 * (1 << kBits) + 50) / 100);
  constexpr std::int32_t kHalf = 1 << (kBits - 1);
  std::int32_t red[kChunk], green[kChunk], blue[kChunk];
  for (std::size_t begin = 0; begin < pixels; begin += kChunk) {
    const std::size_t n = pixels - begin < kChunk ? pixels - begin : kChunk;
    const std::uint8_t* in = rgb + 3 * begin;
    for (std::size_t i = 0; i < n; ++i) {
      red[i] = tables.linear[in[3 * i]];
      green[i] = tables.linear[in[3 * i + 1]];
      blue[i] = tables.linear[in[3 * i + 2]];
    }
    std::int32_t xyz[3][kChunk];
    for (std::size_t row = 0; row < 3; ++row) {
      const std::int32_t r = tables.to_xyz[3 * row], g = tables.to_xyz[3 * row + 1],
                         bl = tables.to_xyz[3 * row + 2];
      for (std::size_t i = 0; i < n; ++i) {
        xyz[row][i] = (red[i] * r + green[i] * g + blue[i] * bl + (1 << (LabTables::kMatrixBits - 1))) >>
                      LabTables::kMatrixBits;
      }
      for (std::size_t i = 0; i < n; ++i) xyz[row][i] = tables.f[static_cast<std::size_t>(xyz[row][i])];
    }
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t fx = xyz[0][i], fy = xyz[1][i], fz = xyz[2][i];
      l[begin + i] = clamp_u8((kLScale * fy + kLShift + kHalf) >> kBits);
      a[begin + i] = clamp_u8((500 * (fx - fy) + 128 * (1 << kBits) + kHalf) >> kBits);
      b[begin + i] = clamp_u8((200 * (fy - fz) + 128 * (1 << kBits) + kHalf) >> kBits);
    }
  }
}

// The inverse of f: t = f^3 above 6/29, else (f - 16/116) * 108/841, in kBackBits of fraction.
inline std::int32_t inverse_f(std::int32_t f) {
  constexpr int kBits = LabTables::kBackBits;
  constexpr std::int32_t kOne = 1 << kBits, kHalf = kOne / 2;
  constexpr std::int32_t kThreshold = 6 * kOne / 29, kShift = (16 * kOne + 58) / 116,
                         kSlope = (108 * kOne + 420) / 841;
  const std::int32_t square = (f * f + kHalf) >> kBits;
  const std::int32_t cube = (square * f + kHalf) >> kBits;
  const std::int32_t line = ((f - kShift) * kSlope + kHalf) >> kBits;
  return f > kThreshold ? cube : line;
}

void lab_to_rgb(const LabTables& tables, const std::uint8_t* l, const std::uint8_t* a, const std::uint8_t* b,
                std::size_t pixels, std::uint8_t* rgb) {
  // XYZ has kBackBits, the matrix kMatrixBits, the gamma table is indexed by 12 bits.
  constexpr int kShift = LabTables::kBackBits + LabTables::kMatrixBits - 12;
  constexpr std::int32_t kHalf = 1 << (kShift - 1);
  std::int32_t x[kChunk], y[kChunk], z[kChunk];
  for (std::size_t begin = 0; begin < pixels; begin += kChunk) {
    const std::size_t n = pixels - begin < kChunk ? pixels - begin : kChunk;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t fy = tables.f_of_l[l[begin + i]];
      x[i] = fy + tables.f_of_a[a[begin + i]];
      y[i] = fy;
      z[i] = fy - tables.f_of_b[b[begin + i]];
    }
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t tx = inverse_f(x[i]), ty = inverse_f(y[i]), tz = inverse_f(z[i]);
      const auto channel = [&](std::size_t row) {
        const std::int32_t v = (tables.to_rgb[3 * row] * tx + tables.to_rgb[3 * row + 1] * ty +
                                tables.to_rgb[3 * row + 2] * tz + kHalf) >>
                               kShift;
        return v < 0 ? 0 : v > LabTables::kGammaSize - 1 ? LabTables::kGammaSize - 1 : v;
      };
      x[i] = channel(0);
      y[i] = channel(1);
      z[i] = channel(2);
    }
    std::uint8_t* out = rgb + 3 * begin;
    for (std::size_t i = 0; i < n; ++i) {
      out[3 * i] = tables.gamma[static_cast<std::size_t>(x[i])];
      out[3 * i + 1] = tables.gamma[static_cast<std::size_t>(y[i])];
      out[3 * i + 2] = tables.gamma[static_cast<std::size_t>(z[i])];
    }
  }
}
