// One function a picture format, for ImageDecoder. Each decodes a whole file to RGB and is told apart from the others by
// the first bytes (is_...). Damaged, cut and oversized data comes back as a reason, nothing is printed, and a picture of
// which a part is missing is never called good. `orientation` gets the turn that the file asks for (1..8, 1 = upright), not
// applied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "harness/data/image.h"

namespace qcface::data {

using Bytes = std::span<const std::uint8_t>;

bool is_png(Bytes file);
bool is_webp(Bytes file);
bool is_tiff(Bytes file);
bool is_bmp(Bytes file);
bool is_pnm(Bytes file);

/// Palettes, grey, alpha and 16 bits become 8-bit RGB; an animation gives its default picture.
DecodeResult decode_png(Bytes file, Image& out, int& orientation);
/// Still pictures only.
DecodeResult decode_webp(Bytes file, Image& out, int& orientation);
/// The first picture: grey, palette, RGB, CMYK and YCbCr of unsigned samples in strips or tiles, with every compression
/// of libtiff. Colours that were multiplied by their alpha are divided again.
DecodeResult decode_tiff(Bytes file, Image& out, int& orientation);
/// Uncompressed and run-length encoded pictures.
DecodeResult decode_bmp(Bytes file, Image& out);
/// P1 to P6 with any maximum up to 65535, scaled so that the maximum is white.
DecodeResult decode_pnm(Bytes file, Image& out);

/// "GIF", "HEIC or AVIF", ... for a picture format that this program does not read; empty for other data.
std::string_view foreign_format(Bytes file);

// For the decoders.
DecodeResult refuse(DecodeStatus status, std::string reason);
/// Sets the size of `out`, or refuses a picture without pixels or beyond the limits of ImageDecoder.
DecodeResult reshape_checked(Image& out, std::uint64_t width, std::uint64_t height);
bool has_prefix(Bytes bytes, std::string_view text, std::size_t at = 0);
/// Unsigned number of `width` bytes; the caller has checked the bounds.
std::uint32_t read_uint(Bytes bytes, std::size_t at, int width, bool big_endian);

}  // namespace qcface::data
