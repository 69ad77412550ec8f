// 8-bit RGB -> float planes: out[c, y, x] = (pixel / 255 - mean[c]) / std[c] (data-formats.md section 11).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "harness/data/image.h"
#include "harness/data/preparation.h"

namespace qcface::data {

/// The 256 possible values of each channel, computed in double and rounded once.
class Normaliser {
 public:
  /// Throws Error when a std is not positive.
  explicit Normaliser(const std::array<double, 3>& mean = kQcfaceMean,
                      const std::array<double, 3>& std = kQcfaceStd);

  /// Writes the side x side window of `image` with its upper left corner at (y0, x0) to out [3, side, side];
  /// mirror reverses columns.
  void apply(const Image& image, int y0, int x0, int side, bool mirror, float* out) const;
  /// The same of a picture [side, side, 3].
  void apply(const std::uint8_t* pixels, int side, bool mirror, float* out) const {
    apply(pixels, 3 * static_cast<std::size_t>(side), side, mirror, out);
  }

  /// [3, 256].
  std::span<const float> table() const { return {table_.front().data(), 3 * 256}; }
  float value(int channel, int pixel) const {
    return table_[static_cast<std::size_t>(channel)][static_cast<std::size_t>(pixel)];
  }

 private:
  void apply(const std::uint8_t* first, std::size_t row_bytes, int side, bool mirror, float* out) const;

  std::array<std::array<float, 256>, 3> table_;
};

}  // namespace qcface::data
