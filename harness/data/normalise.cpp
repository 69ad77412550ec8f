#include "harness/data/normalise.h"

#include "core/error.h"

namespace qcface::data {

Normaliser::Normaliser(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
  for (std::size_t c = 0; c < 3; ++c) {
    require(std[c] > 0.0, "normalisation: std of channel {} is {}, expected a positive number", c, std[c]);
    for (int v = 0; v < 256; ++v)
      table_[c][static_cast<std::size_t>(v)] = static_cast<float>((v / 255.0 - mean[c]) / std[c]);
  }
}

void Normaliser::apply(const Image& image, int y0, int x0, int side, bool mirror, float* out) const {
  require(y0 >= 0 && x0 >= 0 && y0 + side <= image.height() && x0 + side <= image.width(),
          "normalisation: window of side {} at ({}, {}) lies outside a picture of {} x {}", side, y0, x0,
          image.width(), image.height());
  apply(image.row(y0) + 3 * x0, 3 * static_cast<std::size_t>(image.width()), side, mirror, out);
}

void Normaliser::apply(const std::uint8_t* first, std::size_t row_bytes, int side, bool mirror,
                       float* out) const {
  const std::size_t plane = static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
  const float* table_r = table_[0].data();
  const float* table_g = table_[1].data();
  const float* table_b = table_[2].data();
  for (int y = 0; y < side; ++y) {
    const std::uint8_t* in = first + static_cast<std::size_t>(y) * row_bytes;
    float* r = out + static_cast<std::size_t>(y) * static_cast<std::size_t>(side);
    float* g = r + plane;
    float* b = g + plane;
    if (mirror) {
      for (int x = 0; x < side; ++x) {
        const std::uint8_t* pixel = in + 3 * (side - 1 - x);
        r[x] = table_r[pixel[0]];
        g[x] = table_g[pixel[1]];
        b[x] = table_b[pixel[2]];
      }
    } else {
      for (int x = 0; x < side; ++x) {
        const std::uint8_t* pixel = in + 3 * x;
        r[x] = table_r[pixel[0]];
        g[x] = table_g[pixel[1]];
        b[x] = table_b[pixel[2]];
      }
    }
  }
}

}  // namespace qcface::data
