// Windows and OS/2 bitmaps, uncompressed or run-length encoded. Alpha is dropped.
#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <vector>

#include "harness/data/decode/decoders.h"

namespace qcface::data {
namespace {

constexpr std::size_t kFileHeader = 14, kCoreHeader = 12, kInfoHeader = 40;
enum Compression : std::uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3, kAlphaBitFields = 6 };

struct Header {
  std::int64_t width = 0, height = 0;  // of the picture
  bool top_down = false;
  int bits = 0;  // a pixel
  std::uint32_t compression = kPlain;
  Bytes pixels;
  std::array<std::uint32_t, 3> masks{};              // 16 and 32 bits: red, green, blue
  std::vector<std::array<std::uint8_t, 3>> palette;  // up to 8 bits
};

DecodeResult bmp_ends_early() { return refuse(DecodeStatus::kCorrupt, "BMP: the data ends early"); }

DecodeResult read_palette(Bytes file, std::size_t at, std::size_t colours, bool core, Header& header) {
  const std::size_t entry = core ? 3 : 4;
  if (at > file.size() || file.size() - at < colours * entry) return bmp_ends_early();
  for (std::size_t i = 0; i < colours; ++i) {
    const Bytes bgr = file.subspan(at + i * entry, 3);
    header.palette.push_back({bgr[2], bgr[1], bgr[0]});
  }
  return {};
}

DecodeResult read_header(Bytes file, Header& header) {
  if (file.size() < kFileHeader + kCoreHeader) return bmp_ends_early();
  const std::size_t pixels_at = read_uint(file, 10, 4, false), size = read_uint(file, 14, 4, false);
  const bool core = size == kCoreHeader;
  if (!core && size < kInfoHeader) return refuse(DecodeStatus::kCorrupt, "BMP: the header is damaged");
  if (file.size() - kFileHeader < size || pixels_at > file.size()) return bmp_ends_early();
  std::size_t colours = 0;
  if (core) {
    header.width = read_uint(file, 18, 2, false);
    header.height = read_uint(file, 20, 2, false);
    header.bits = static_cast<int>(read_uint(file, 24, 2, false));
  } else {
    header.width = static_cast<std::int32_t>(read_uint(file, 18, 4, false));
    header.height = static_cast<std::int32_t>(read_uint(file, 22, 4, false));
    header.top_down = header.height < 0;
    header.height = std::abs(header.height);
    header.bits = static_cast<int>(read_uint(file, 28, 2, false));
    header.compression = read_uint(file, 30, 4, false);
    colours = read_uint(file, 46, 4, false);
  }
  header.pixels = file.subspan(pixels_at);
  const int bits = header.bits;
  const std::uint32_t compression = header.compression;
  const bool fields = compression == kBitFields || compression == kAlphaBitFields;
  const bool known = (compression == kPlain &&
                      (bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32)) ||
                     (compression == kRle8 && bits == 8) || (compression == kRle4 && bits == 4) ||
                     (fields && (bits == 16 || bits == 32));
  if (!known) {
    return refuse(DecodeStatus::kUnknownFormat,
                  fmt::format("BMP of {} bits a pixel and compression {}, which this program does not read",
                              bits, compression));
  }
  if (bits <= 8) {
    const std::size_t most = std::size_t{1} << bits;
    if (colours > most) return refuse(DecodeStatus::kCorrupt, "BMP: the number of colours is damaged");
    return read_palette(file, kFileHeader + size, colours == 0 ? most : colours, core, header);
  }
  if (fields) {
    const std::size_t masks_at = kFileHeader + kInfoHeader;  // part of a longer header, or behind this one
    if (file.size() < masks_at + 12) return bmp_ends_early();
    for (std::size_t c = 0; c < 3; ++c) header.masks[c] = read_uint(file, masks_at + 4 * c, 4, false);
  } else if (bits == 16) {
    header.masks = {0x7C00, 0x03E0, 0x001F};
  } else if (bits == 32) {
    header.masks = {0xFF0000, 0x00FF00, 0x0000FF};
  }
  return {};
}

// Share of the mask's bits that is set, 0..255.
std::uint8_t field(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t largest = mask >> shift, value = (pixel & mask) >> shift;
  return static_cast<std::uint8_t>((value * 255 + largest / 2) / largest);
}

DecodeResult outside_palette() {
  return refuse(DecodeStatus::kCorrupt, "BMP: a pixel names a colour outside the palette");
}

DecodeResult read_plain(const Header& header, Image& out) {
  const auto bits = static_cast<std::size_t>(header.bits);
  const std::size_t row_bytes = (static_cast<std::size_t>(out.width()) * bits + 31) / 32 * 4;
  if (header.pixels.size() < row_bytes * static_cast<std::size_t>(out.height())) return bmp_ends_early();
  for (int y = 0; y < out.height(); ++y) {
    const int stored = header.top_down ? y : out.height() - 1 - y;
    const Bytes row = header.pixels.subspan(static_cast<std::size_t>(stored) * row_bytes, row_bytes);
    std::uint8_t* to = out.row(y);
    for (std::size_t x = 0; x < static_cast<std::size_t>(out.width()); ++x, to += Image::kChannels) {
      if (bits <= 8) {
        const std::size_t bit = x * bits;
        const std::size_t index = (row[bit / 8] >> (8 - bits - bit % 8)) & ((1u << bits) - 1);
        if (index >= header.palette.size()) return outside_palette();
        for (std::size_t c = 0; c < 3; ++c) to[c] = header.palette[index][c];
      } else if (bits == 24) {
        for (std::size_t c = 0; c < 3; ++c) to[c] = row[3 * x + 2 - c];
      } else {
        const std::uint32_t pixel = read_uint(row, x * (bits / 8), static_cast<int>(bits / 8), false);
        for (std::size_t c = 0; c < 3; ++c) to[c] = field(pixel, header.masks[c]);
      }
    }
  }
  return {};
}

// Runs (count, colour) and literal stretches; an end of line, end of picture or jump may leave pixels out, which is where
// damage shows.
class RunReader {
 public:
  RunReader(const Header& header, Image& out) : header_(header), out_(out) {}

  DecodeResult read() {
    while (true) {
      if (header_.pixels.size() - at_ < 2) return bmp_ends_early();
      const std::size_t count = header_.pixels[at_++], value = header_.pixels[at_++];
      if (count > 0) {
        const std::size_t pair =
            header_.bits == 4 ? (value >> 4) | ((value & 15) << 8) : value | (value << 8);
        for (std::size_t i = 0; i < count; ++i) put(i % 2 == 0 ? pair & 255 : pair >> 8);
      } else if (value == 0) {  // end of line
        x_ = 0;
        ++y_;
      } else if (value == 1) {  // end of picture
        break;
      } else if (value == 2) {  // jump
        if (header_.pixels.size() - at_ < 2) return bmp_ends_early();
        x_ += header_.pixels[at_++];
        y_ += header_.pixels[at_++];
      } else {
        const std::size_t bytes = header_.bits == 4 ? (value + 1) / 2 : value, padded = bytes + bytes % 2;
        if (header_.pixels.size() - at_ < padded) return bmp_ends_early();
        for (std::size_t i = 0; i < value; ++i) {
          const std::size_t byte = header_.pixels[at_ + (header_.bits == 4 ? i / 2 : i)];
          put(header_.bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
        }
        at_ += padded;
      }
    }
    if (outside_palette_) return outside_palette();
    if (outside_picture_ || written_ != out_.bytes() / Image::kChannels) {
      return refuse(DecodeStatus::kCorrupt,
                    "BMP: the run-length data leaves pixels out or goes beyond the picture");
    }
    return {};
  }

 private:
  void put(std::size_t index) {
    outside_palette_ = outside_palette_ || index >= header_.palette.size();
    const bool outside =
        x_ >= static_cast<std::size_t>(out_.width()) || y_ >= static_cast<std::size_t>(out_.height());
    // Some writers fill the last run of a row up to an even length.
    outside_picture_ = outside_picture_ || (outside && x_ > static_cast<std::size_t>(out_.width()));
    if (!outside && !outside_palette_) {
      const int y = static_cast<int>(y_);
      std::uint8_t* to = out_.row(header_.top_down ? y : out_.height() - 1 - y) + Image::kChannels * x_;
      for (std::size_t c = 0; c < 3; ++c) to[c] = header_.palette[index][c];
      ++written_;
    }
    ++x_;
  }

  const Header& header_;
  Image& out_;
  std::size_t at_ = 0, x_ = 0, y_ = 0, written_ = 0;
  bool outside_palette_ = false, outside_picture_ = false;
};

}  // namespace

bool is_bmp(Bytes file) { return has_prefix(file, "BM"); }

DecodeResult decode_bmp(Bytes file, Image& out) {
  Header header;
  DecodeResult result = read_header(file, header);
  if (!result.ok()) return result;
  if (header.width < 0) return refuse(DecodeStatus::kCorrupt, "BMP: the width is damaged");
  result = reshape_checked(out, static_cast<std::uint64_t>(header.width),
                           static_cast<std::uint64_t>(header.height));
  if (!result.ok()) return result;
  if (header.compression == kRle8 || header.compression == kRle4) return RunReader(header, out).read();
  return read_plain(header, out);
}

}  // namespace qcface::data
