#include "harness/data/decode/exif.h"

#include "harness/data/decode/decoders.h"

namespace qcface::data {

std::optional<std::uint32_t> tiff_tag(std::span<const std::uint8_t> tiff, std::uint16_t tag) {
  using namespace std::string_view_literals;
  const bool big = has_prefix(tiff, "MM\0*"sv);
  if (!big && !has_prefix(tiff, "II*\0"sv)) return std::nullopt;
  if (tiff.size() < 8) return std::nullopt;
  const std::size_t directory = read_uint(tiff, 4, 4, big);
  if (directory > tiff.size() || tiff.size() - directory < 2) return std::nullopt;
  const std::size_t entries = read_uint(tiff, directory, 2, big);
  constexpr std::size_t kEntryBytes = 12;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * kEntryBytes;
    if (at + kEntryBytes > tiff.size()) return std::nullopt;
    if (read_uint(tiff, at, 2, big) != tag) continue;
    constexpr std::uint32_t kShort = 3, kLong = 4;
    const std::uint32_t type = read_uint(tiff, at + 2, 2, big);
    if (type == kShort) return read_uint(tiff, at + 8, 2, big);
    if (type == kLong) return read_uint(tiff, at + 8, 4, big);
    return std::nullopt;
  }
  return std::nullopt;
}

int tiff_orientation(std::span<const std::uint8_t> tiff) {
  constexpr std::uint16_t kOrientation = 0x0112;
  const std::uint32_t value = tiff_tag(tiff, kOrientation).value_or(1);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

int exif_orientation(std::span<const std::uint8_t> app1) {
  using namespace std::string_view_literals;
  constexpr std::string_view kMarker = "Exif\0\0"sv;
  return has_prefix(app1, kMarker) ? tiff_orientation(app1.subspan(kMarker.size())) : 1;
}

Turn turn_of_orientation(int orientation) {
  Turn turn;
  turn.transpose = orientation >= 5;
  turn.reverse_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  turn.reverse_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  return turn;
}

}  // namespace qcface::data
