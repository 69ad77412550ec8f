#include "harness/data/resize.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace qcface::data {
namespace {

constexpr int kWeightBits = 22;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp((kHalf + sum) >> kWeightBits, 0, 255));
}

}  // namespace

void Resizer::Taps::compute(int in_size, int out_size) {
  if (in == in_size && out == out_size) return;
  in = in_size;
  out = out_size;
  const double scale = static_cast<double>(in_size) / out_size;
  const double support = std::max(scale, 1.0);
  width = 2 * static_cast<int>(std::ceil(support)) + 1;
  const auto rows = static_cast<std::size_t>(out_size);
  begin.assign(rows, 0);
  count.assign(rows, 0);
  weight.assign(rows * static_cast<std::size_t>(width), 0);
  std::vector<double> share(static_cast<std::size_t>(width));
  for (int i = 0; i < out_size; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), in_size);  // one past
    double sum = 0.0;
    for (int x = first; x < last; ++x) {
      const double w = std::max(0.0, 1.0 - std::abs((x - centre + 0.5) / support));
      share[static_cast<std::size_t>(x - first)] = w;
      sum += w;
    }
    const auto row = static_cast<std::size_t>(i);
    begin[row] = first;
    count[row] = last - first;
    for (int k = 0; k < last - first; ++k) {
      const double w = share[static_cast<std::size_t>(k)] / sum;
      weight[row * static_cast<std::size_t>(width) + static_cast<std::size_t>(k)] =
          static_cast<std::int32_t>(0.5 + w * (1 << kWeightBits));
    }
  }
}

void Resizer::resize(const Image& in, int height, int width, Image& out) {
  require(in.height() > 0 && in.width() > 0 && height > 0 && width > 0, "resize: {} x {} to {} x {} pixels",
          in.width(), in.height(), width, height);
  const bool across = in.width() != width;
  const bool down = in.height() != height;
  if (!across && !down) {
    out.copy_from(in);
    return;
  }
  if (across) {
    horizontal_.compute(in.width(), width);
    Image& target = down ? between_ : out;
    target.reshape(in.height(), width);
    for (int y = 0; y < in.height(); ++y) {
      const std::uint8_t* source = in.row(y);
      std::uint8_t* pixel = target.row(y);
      for (std::size_t i = 0; i < static_cast<std::size_t>(width); ++i, pixel += 3) {
        const std::int32_t* weight = &horizontal_.weight[i * static_cast<std::size_t>(horizontal_.width)];
        const std::uint8_t* tap = source + 3 * horizontal_.begin[i];
        std::int32_t r = 0, g = 0, b = 0;
        for (std::int32_t k = 0; k < horizontal_.count[i]; ++k, tap += 3) {
          r += weight[k] * tap[0];
          g += weight[k] * tap[1];
          b += weight[k] * tap[2];
        }
        pixel[0] = to_pixel(r);
        pixel[1] = to_pixel(g);
        pixel[2] = to_pixel(b);
      }
    }
  }
  if (!down) return;
  const Image& source = across ? between_ : in;
  vertical_.compute(in.height(), height);
  out.reshape(height, width);
  const std::size_t row_bytes = static_cast<std::size_t>(width) * 3;
  sums_.resize(row_bytes);
  for (std::size_t i = 0; i < static_cast<std::size_t>(height); ++i) {
    const std::int32_t* weight = &vertical_.weight[i * static_cast<std::size_t>(vertical_.width)];
    std::fill(sums_.begin(), sums_.end(), 0);
    for (std::int32_t k = 0; k < vertical_.count[i]; ++k) {
      const std::uint8_t* row = source.row(vertical_.begin[i] + k);
      for (std::size_t x = 0; x < row_bytes; ++x) sums_[x] += weight[k] * row[x];
    }
    std::uint8_t* pixel = out.row(static_cast<int>(i));
    for (std::size_t x = 0; x < row_bytes; ++x) pixel[x] = to_pixel(sums_[x]);
  }
}

const Image& Resizer::resize_shorter_side(const Image& in, int side, Image& out) {
  const int shorter = std::min(in.width(), in.height());
  if (shorter == side) return in;
  const auto other = [&](int longer) { return static_cast<int>(std::int64_t{side} * longer / shorter); };
  const int height = in.height() == shorter ? side : other(in.height());
  const int width = in.width() == shorter ? side : other(in.width());
  resize(in, height, width, out);
  return out;
}

}  // namespace qcface::data
