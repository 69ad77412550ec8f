#include <webp/decode.h>

#include <algorithm>

#include "harness/data/decode/decoders.h"
#include "harness/data/decode/exif.h"

namespace qcface::data {
namespace {

constexpr std::size_t kRiffHeader = 12, kChunkHeader = 8;

// Body of the EXIF chunk. Chunks are padded to an even length.
Bytes exif_chunk(Bytes riff) {
  for (std::size_t at = kRiffHeader; riff.size() - at >= kChunkHeader;) {
    const std::size_t length = read_uint(riff, at + 4, 4, false), left = riff.size() - at - kChunkHeader;
    if (length > left) break;
    if (has_prefix(riff, "EXIF", at)) return riff.subspan(at + kChunkHeader, length);
    at += kChunkHeader + std::min(length + length % 2, left);
  }
  return {};
}

const char* reason_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "WebP: the data ends early";
    case VP8_STATUS_OUT_OF_MEMORY:
      return "not enough memory to decode it";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "WebP with a feature that libwebp does not read";
    default:
      return "WebP: the data is damaged or ends early";
  }
}

}  // namespace

bool is_webp(Bytes file) { return has_prefix(file, "RIFF") && has_prefix(file, "WEBP", 8); }

DecodeResult decode_webp(Bytes file, Image& out, int& orientation) {
  // Chunks behind the pixels may be cut off too: the turn would be among them.
  const std::uint64_t promised = kChunkHeader + std::uint64_t{read_uint(file, 4, 4, false)};
  if (promised < kRiffHeader) return refuse(DecodeStatus::kCorrupt, "WebP: a length field is damaged");
  if (promised > file.size()) return refuse(DecodeStatus::kCorrupt, "WebP: the data ends early");
  const Bytes riff = file.first(static_cast<std::size_t>(promised));
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(riff.data(), riff.size(), &features);
  if (status != VP8_STATUS_OK) return refuse(DecodeStatus::kCorrupt, reason_of(status));
  if (features.has_animation != 0) {
    return refuse(DecodeStatus::kUnknownFormat, "an animated WebP, expected a still picture");
  }
  DecodeResult result = reshape_checked(out, static_cast<std::uint64_t>(features.width),
                                        static_cast<std::uint64_t>(features.height));
  if (!result.ok()) return result;
  if (WebPDecodeRGBInto(riff.data(), riff.size(), out.data(), out.bytes(), out.width() * Image::kChannels) ==
      nullptr) {
    return refuse(DecodeStatus::kCorrupt, reason_of(VP8_STATUS_BITSTREAM_ERROR));
  }
  // The block is a bare TIFF one; some writers put JPEG's marker text before it.
  const Bytes exif = exif_chunk(riff);
  orientation = has_prefix(exif, "Exif") ? exif_orientation(exif) : tiff_orientation(exif);
  return result;
}

}  // namespace qcface::data
