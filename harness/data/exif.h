// The few header fields that are needed before a picture is decoded: EXIF orientation, and the size a file
// claims.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "harness/data/turn.h"

namespace qcface::data {

/// Integer value of `tag` in the first directory of a TIFF block ("II*\0" or "MM\0*"), if it is there and in
/// bounds.
std::optional<std::uint32_t> tiff_tag(std::span<const std::uint8_t> tiff, std::uint16_t tag);

/// Orientation (1..8) of the body of a JPEG APP1 marker; 1 when it is no EXIF block or says nothing.
int exif_orientation(std::span<const std::uint8_t> app1);

/// What has to be done to a picture stored with this orientation (1..8) to see it upright.
Turn turn_of_orientation(int orientation);

struct ClaimedSize {
  std::uint64_t width = 0, height = 0;
};
/// Width and height in the header of a PNG, BMP, PNM, TIFF or WebP file; nothing for other data.
std::optional<ClaimedSize> claimed_size(std::span<const std::uint8_t> bytes);

}  // namespace qcface::data
