// The two point operations of the augmentation as tables of 256 values (data-formats.md section 12).
#pragma once

#include <array>
#include <cstdint>

#include "harness/data/image.h"

namespace qcface::data {

using ToneTable = std::array<std::uint8_t, 256>;

/// v -> trunc(clip(v * alpha + beta * 255, 0, 255)) in single precision.
ToneTable brightness_contrast_table(double alpha, double beta);
/// v -> trunc(255 * (v * (1 / 255))^gamma) in double precision. Gamma 1 is not the identity.
ToneTable gamma_table(double gamma);
/// v -> second[first[v]].
ToneTable compose(const ToneTable& first, const ToneTable& second);
void apply(const ToneTable& table, Image& image);

}  // namespace qcface::data
