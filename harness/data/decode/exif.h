// EXIF orientation of a picture file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "harness/data/decode/turn.h"

namespace qcface::data {

/// Integer value of `tag` in the first directory of a TIFF block ("II*\0" or "MM\0*"), if it is there and in
/// bounds.
std::optional<std::uint32_t> tiff_tag(std::span<const std::uint8_t> tiff, std::uint16_t tag);

/// Orientation (1..8) that a TIFF block names; 1 when it is none or says nothing.
int tiff_orientation(std::span<const std::uint8_t> tiff);

/// Orientation (1..8) of the body of a JPEG APP1 marker; 1 when it is no EXIF block or says nothing.
int exif_orientation(std::span<const std::uint8_t> app1);

/// What has to be done to a picture stored with this orientation (1..8) to see it upright.
Turn turn_of_orientation(int orientation);

}  // namespace qcface::data
