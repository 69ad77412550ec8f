#include "harness/data/decode/decoders.h"

#include <fmt/format.h>

#include <cstring>

#include "core/text.h"

namespace qcface::data {

// The libraries quote bytes of the file in what they say.
DecodeResult refuse(DecodeStatus status, std::string reason) { return {status, printable(reason)}; }

DecodeResult reshape_checked(Image& out, std::uint64_t width, std::uint64_t height) {
  constexpr std::uint64_t kMaxSide = ImageDecoder::kMaxSide, kMaxPixels = ImageDecoder::kMaxPixels;
  if (width == 0 || height == 0) return refuse(DecodeStatus::kCorrupt, "a picture without pixels");
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels) {
    return refuse(DecodeStatus::kTooLarge,
                  fmt::format("{} x {} pixels is more than this program reads", width, height));
  }
  out.reshape(static_cast<int>(height), static_cast<int>(width));
  return {};
}

bool has_prefix(Bytes bytes, std::string_view text, std::size_t at) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

std::uint32_t read_uint(Bytes bytes, std::size_t at, int width, bool big_endian) {
  std::uint32_t value = 0;
  for (int i = 0; i < width; ++i) {
    const std::uint32_t byte = bytes[at + static_cast<std::size_t>(i)];
    value |= byte << (8 * (big_endian ? width - 1 - i : i));
  }
  return value;
}

std::string_view foreign_format(Bytes file) {
  if (has_prefix(file, "GIF8")) return "GIF";
  if (has_prefix(file, "ftyp", 4)) return "HEIC, AVIF or a film";
  if (has_prefix(file, "jP  ", 4)) return "JPEG 2000";
  if (has_prefix(file, "\xFF\x0A") || has_prefix(file, "JXL ", 4)) return "JPEG XL";
  if (has_prefix(file, "P7\n")) return "PAM";
  if (has_prefix(file, "PF\n") || has_prefix(file, "Pf\n")) return "PFM";
  return {};
}

}  // namespace qcface::data
