#include "harness/data/augment/clahe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "core/error.h"
#include "harness/data/augment/border.h"

namespace qcface::data {
namespace {

constexpr int kBins = 256;

// To the nearest integer, ties to even, for 0 <= v < 2^22: adding 1.5 * 2^23 leaves no fraction bits.
inline std::uint8_t round_half_even(float v) {
  constexpr float kMagic = 12582912.0f;
  const float shifted = v + kMagic;
  return static_cast<std::uint8_t>(std::min(static_cast<int>(shifted - kMagic), 255));
}

// Cuts the bins at the limit and hands the excess out evenly.
void clip_histogram(std::array<int, kBins>& histogram, int limit) {
  int excess = 0;
  for (int& bin : histogram) {
    excess += std::max(bin - limit, 0);
    bin = std::min(bin, limit);
  }
  const int share = excess / kBins;
  int left = excess % kBins;
  for (int& bin : histogram) bin += share;
  if (left == 0) return;
  const int step = std::max(kBins / left, 1);
  for (int i = 0; i < kBins && left > 0; i += step, --left) ++histogram[static_cast<std::size_t>(i)];
}

}  // namespace

void Clahe::compute_blends(int size, int tile_size, std::vector<Blend>& out) {
  out.resize(static_cast<std::size_t>(size));
  const float inverse = 1.0f / static_cast<float>(tile_size);
  for (int i = 0; i < size; ++i) {
    const float at = static_cast<float>(i) * inverse - 0.5f;
    const int first = static_cast<int>(std::floor(at));
    Blend& blend = out[static_cast<std::size_t>(i)];
    blend.first = std::max(first, 0);
    blend.second = std::min(first + 1, kTiles - 1);
    blend.weight = at - static_cast<float>(first);
  }
}

void Clahe::compute_tables(const std::uint8_t* plane, int height, int width, int tile_height, int tile_width,
                           double clip) {
  const int area = tile_height * tile_width;
  const int limit = std::max(static_cast<int>(clip * area / kBins), 1);
  const float scale = static_cast<float>(kBins - 1) / static_cast<float>(area);
  mirrored_.resize(static_cast<std::size_t>(tile_width) * kTiles);
  for (std::size_t x = 0; x < mirrored_.size(); ++x) mirrored_[x] = mirror_index(static_cast<int>(x), width);
  tables_.resize(kTiles * kTiles * kBins);
  for (int ty = 0; ty < kTiles; ++ty) {
    std::array<std::array<int, kBins>, kTiles> histograms{};
    for (int y = ty * tile_height; y < (ty + 1) * tile_height; ++y) {
      const std::uint8_t* row = plane + static_cast<std::ptrdiff_t>(mirror_index(y, height)) * width;
      const int* column = mirrored_.data();
      for (std::array<int, kBins>& histogram : histograms) {
        for (int x = 0; x < tile_width; ++x) ++histogram[row[*column++]];
      }
    }
    std::uint8_t* table = tables_.data() + static_cast<std::ptrdiff_t>(ty) * kTiles * kBins;
    for (std::array<int, kBins>& histogram : histograms) {
      clip_histogram(histogram, limit);
      int sum = 0;
      for (int bin : histogram) {
        sum += bin;
        *table++ = round_half_even(static_cast<float>(sum) * scale);
      }
    }
  }
}

void Clahe::apply(std::uint8_t* plane, int height, int width, double clip) {
  require(height >= 1 && width >= 1, "CLAHE: plane of {} x {} pixels", width, height);
  const bool fits = height % kTiles == 0 && width % kTiles == 0;
  // A side that is a multiple of 8 gets a full 8 more when the other side is not one.
  const int padded_height = fits ? height : height + kTiles - height % kTiles;
  const int padded_width = fits ? width : width + kTiles - width % kTiles;
  const int tile_height = padded_height / kTiles, tile_width = padded_width / kTiles;
  compute_tables(plane, height, width, tile_height, tile_width, clip);
  compute_blends(height, tile_height, rows_);
  compute_blends(width, tile_width, columns_);
  for (int y = 0; y < height; ++y) {
    const Blend& down = rows_[static_cast<std::size_t>(y)];
    const std::uint8_t* upper = tables_.data() + static_cast<std::ptrdiff_t>(down.first) * kTiles * kBins;
    const std::uint8_t* lower = tables_.data() + static_cast<std::ptrdiff_t>(down.second) * kTiles * kBins;
    const float wy = down.weight, vy = 1.0f - wy;
    std::uint8_t* row = plane + static_cast<std::ptrdiff_t>(y) * width;
    for (int x = 0; x < width; ++x) {
      const Blend& across = columns_[static_cast<std::size_t>(x)];
      const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(across.first) * kBins + row[x];
      const std::ptrdiff_t second = static_cast<std::ptrdiff_t>(across.second) * kBins + row[x];
      const float wx = across.weight, vx = 1.0f - wx;
      const float top = static_cast<float>(upper[first]) * vx + static_cast<float>(upper[second]) * wx;
      const float bottom = static_cast<float>(lower[first]) * vx + static_cast<float>(lower[second]) * wx;
      row[x] = round_half_even(top * vy + bottom * wy);
    }
  }
}

}  // namespace qcface::data
