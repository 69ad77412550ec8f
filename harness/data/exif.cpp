#include "harness/data/exif.h"

#include <cctype>
#include <cstring>

namespace qcface::data {
namespace {

std::uint32_t read_int(std::span<const std::uint8_t> bytes, std::size_t at, int width, bool big) {
  std::uint32_t value = 0;
  for (int i = 0; i < width; ++i) {
    const std::uint32_t byte = bytes[at + static_cast<std::size_t>(i)];
    value |= byte << (8 * (big ? width - 1 - i : i));
  }
  return value;
}

bool starts_with(std::span<const std::uint8_t> bytes, const char* text, std::size_t length,
                 std::size_t at = 0) {
  return bytes.size() >= at + length && std::memcmp(bytes.data() + at, text, length) == 0;
}

// Width and height of "P1".."P6": blanks and '#' comments may stand between the numbers.
std::optional<ClaimedSize> pnm_size(std::span<const std::uint8_t> bytes) {
  std::uint64_t number[2] = {0, 0};
  std::size_t at = 2;
  for (std::uint64_t& value : number) {
    while (at < bytes.size() && (std::isspace(bytes[at]) != 0 || bytes[at] == '#')) {
      if (bytes[at] == '#') {
        while (at < bytes.size() && bytes[at] != '\n') ++at;
      } else {
        ++at;
      }
    }
    const std::size_t first = at;
    while (at < bytes.size() && at - first < 12 && std::isdigit(bytes[at]) != 0)
      value = value * 10 + (bytes[at++] - '0');
    if (at == first) return std::nullopt;
  }
  return ClaimedSize{number[0], number[1]};
}

std::optional<ClaimedSize> webp_size(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 30) return std::nullopt;
  if (starts_with(bytes, "VP8X", 4, 12)) {
    return ClaimedSize{read_int(bytes, 24, 3, false) + 1u, read_int(bytes, 27, 3, false) + 1u};
  }
  if (starts_with(bytes, "VP8L", 4, 12)) {
    const std::uint32_t bits = read_int(bytes, 21, 4, false);
    return ClaimedSize{(bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1};
  }
  return ClaimedSize{read_int(bytes, 26, 2, false) & 0x3FFF, read_int(bytes, 28, 2, false) & 0x3FFF};
}

}  // namespace

std::optional<std::uint32_t> tiff_tag(std::span<const std::uint8_t> tiff, std::uint16_t tag) {
  const bool big = starts_with(tiff, "MM\0*", 4);
  if (!big && !starts_with(tiff, "II*\0", 4)) return std::nullopt;
  if (tiff.size() < 8) return std::nullopt;
  const std::size_t directory = read_int(tiff, 4, 4, big);
  if (directory > tiff.size() || tiff.size() - directory < 2) return std::nullopt;
  const std::size_t entries = read_int(tiff, directory, 2, big);
  constexpr std::size_t kEntryBytes = 12;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * kEntryBytes;
    if (at + kEntryBytes > tiff.size()) return std::nullopt;
    if (read_int(tiff, at, 2, big) != tag) continue;
    constexpr std::uint32_t kShort = 3, kLong = 4;
    const std::uint32_t type = read_int(tiff, at + 2, 2, big);
    if (type == kShort) return read_int(tiff, at + 8, 2, big);
    if (type == kLong) return read_int(tiff, at + 8, 4, big);
    return std::nullopt;
  }
  return std::nullopt;
}

int exif_orientation(std::span<const std::uint8_t> app1) {
  if (!starts_with(app1, "Exif\0\0", 6)) return 1;
  constexpr std::uint16_t kOrientation = 0x0112;
  const std::uint32_t value = tiff_tag(app1.subspan(6), kOrientation).value_or(1);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

Turn turn_of_orientation(int orientation) {
  Turn turn;
  turn.transpose = orientation >= 5;
  turn.reverse_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  turn.reverse_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  return turn;
}

std::optional<ClaimedSize> claimed_size(std::span<const std::uint8_t> bytes) {
  if (starts_with(bytes, "\x89PNG", 4) && bytes.size() >= 24) {
    return ClaimedSize{read_int(bytes, 16, 4, true), read_int(bytes, 20, 4, true)};
  }
  if (starts_with(bytes, "BM", 2) && bytes.size() >= 26) {
    const auto width = static_cast<std::int32_t>(read_int(bytes, 18, 4, false));
    const auto height =
        static_cast<std::int32_t>(read_int(bytes, 22, 4, false));  // negative: rows run downwards
    const auto positive = [](std::int64_t v) { return static_cast<std::uint64_t>(v < 0 ? -v : v); };
    return ClaimedSize{positive(width), positive(height)};
  }
  if (bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6') return pnm_size(bytes);
  if (starts_with(bytes, "RIFF", 4) && starts_with(bytes, "WEBP", 4, 8)) return webp_size(bytes);
  const auto width = tiff_tag(bytes, 256), height = tiff_tag(bytes, 257);
  if (width && height) return ClaimedSize{*width, *height};
  return std::nullopt;
}

}  // namespace qcface::data
