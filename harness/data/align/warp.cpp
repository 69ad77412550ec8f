#include "harness/data/align/warp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qcface::data {
namespace {

constexpr int kPlaceBits = 10;    // of a map's terms
constexpr int kFractionBits = 5;  // of a place in the picture
constexpr int kFractions = 1 << kFractionBits;
constexpr int kWeightBits = 15;  // of a product of two fractions

// A term in fixed point. What is far outside the picture may be any place outside it; the sum of two cannot overflow.
std::int64_t fixed(double value) {
  constexpr double kFar = 1e15;
  return std::llrint(std::clamp(value * (1 << kPlaceBits), -kFar, kFar));
}

}  // namespace

void warp(const Image& image, const Similarity& map, int height, int width, Image& out) {
  out.reshape(height, width);
  const double inverse = 1 / (map.a * map.a + map.b * map.b);
  const double m00 = map.a * inverse, m01 = map.b * inverse, m10 = -map.b * inverse, m11 = map.a * inverse;
  const double b1 = -m00 * map.tx - m01 * map.ty, b2 = -m10 * map.tx - m11 * map.ty;
  std::vector<std::array<std::int64_t, 2>> column(static_cast<std::size_t>(width));
  for (int x = 0; x < width; ++x) column[static_cast<std::size_t>(x)] = {fixed(m00 * x), fixed(m10 * x)};

  constexpr std::int64_t kHalf = kFractions / 2;  // of what the shift below cuts off
  for (int y = 0; y < height; ++y) {
    const std::int64_t row_x = fixed(m01 * y + b1) + kHalf, row_y = fixed(m11 * y + b2) + kHalf;
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < width; ++x, to += Image::kChannels) {
      const auto& [column_x, column_y] = column[static_cast<std::size_t>(x)];
      const std::int64_t at_x = (row_x + column_x) >> (kPlaceBits - kFractionBits);
      const std::int64_t at_y = (row_y + column_y) >> (kPlaceBits - kFractionBits);
      const std::int64_t left = at_x >> kFractionBits, top = at_y >> kFractionBits;
      if (left < -1 || top < -1 || left >= image.width() || top >= image.height()) {
        std::fill_n(to, Image::kChannels, std::uint8_t{0});
        continue;
      }
      const auto fx = static_cast<int>(at_x & (kFractions - 1)),
                 fy = static_cast<int>(at_y & (kFractions - 1));
      // Products of 32nds are whole in 2^-15.
      constexpr int kUnit = 1 << (kWeightBits - 2 * kFractionBits);
      const std::array<int, 4> weights{(kFractions - fy) * (kFractions - fx) * kUnit,
                                       (kFractions - fy) * fx * kUnit, fy * (kFractions - fx) * kUnit,
                                       fy * fx * kUnit};
      std::array<int, Image::kChannels> sum{};
      for (int tap = 0; tap < 4; ++tap) {
        const int sx = static_cast<int>(left) + tap % 2, sy = static_cast<int>(top) + tap / 2;
        if (sx < 0 || sy < 0 || sx >= image.width() || sy >= image.height()) continue;
        const std::uint8_t* const from = image.row(sy) + Image::kChannels * sx;
        for (std::size_t c = 0; c < sum.size(); ++c)
          sum[c] += weights[static_cast<std::size_t>(tap)] * from[c];
      }
      for (std::size_t c = 0; c < sum.size(); ++c)
        to[c] = static_cast<std::uint8_t>((sum[c] + (1 << (kWeightBits - 1))) >> kWeightBits);
    }
  }
}

}  // namespace qcface::data
