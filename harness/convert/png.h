// Pixels as a picture file that loses nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/data/image.h"

namespace qcface::convert {

/// RGB, 8 bit. Throws Error where there is no memory for it.
void encode_png(const data::Image& image, std::vector<std::uint8_t>& file);

}  // namespace qcface::convert
