// Pictures in memory and their decoding. A picture is RGB, 8 bit, rows without padding; the decoder follows
// data-formats.md section 11: read as colour, EXIF turn applied, alpha dropped, grey copied to three
// channels, 16 bits cut to their upper 8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"

namespace qcface::data {

/// RGB picture, u8, [height, width, 3] row-major. The buffer only grows, so a reused Image stops allocating.
class Image {
 public:
  static constexpr int kChannels = 3;

  int height() const { return height_; }
  int width() const { return width_; }
  std::size_t bytes() const {
    return static_cast<std::size_t>(height_) * static_cast<std::size_t>(width_) * kChannels;
  }
  std::uint8_t* data() { return buffer_.data(); }
  const std::uint8_t* data() const { return buffer_.data(); }
  std::uint8_t* row(int y) {
    return data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) * kChannels;
  }
  const std::uint8_t* row(int y) const {
    return data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) * kChannels;
  }
  /// Sets the size; pixel values are undefined afterwards.
  void reshape(int height, int width);
  void swap(Image& other) noexcept;
  void copy_from(const Image& other);

 private:
  AlignedBuffer<std::uint8_t> buffer_;
  int height_ = 0;
  int width_ = 0;
};

/// A picture as a set stores it; the bytes are the set's.
struct StoredPicture {
  std::span<const std::uint8_t> bytes;
  int height = 0, width = 0;  // of 8-bit RGB pixels, row after row; 0: a picture file (JPEG, PNG, ...)
};

enum class DecodeStatus { kOk, kUnreadable, kEmpty, kUnknownFormat, kCorrupt, kTooLarge };

struct DecodeResult {
  DecodeStatus status = DecodeStatus::kOk;
  std::string reason;  // empty when ok, else one phrase such as "JPEG data ends early"
  bool ok() const { return status == DecodeStatus::kOk; }
};

/// Decodes JPEG, PNG, WebP, TIFF, BMP and PNM (P1 to P6), told apart by their first bytes, through the libraries of those
/// formats with their messages turned into reasons. Bad input never throws and nothing is printed: the reason comes back. A
/// file that decodes only in part (truncated, damaged) counts as corrupt; what cannot be read as it looks is refused. One
/// decoder a thread; buffers are reused.
class ImageDecoder {
 public:
  /// Pictures wider or higher than this, or with more than kMaxPixels pixels, are refused unread.
  static constexpr int kMaxSide = 16384;
  static constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;

  ImageDecoder();
  ~ImageDecoder();
  ImageDecoder(ImageDecoder&&) noexcept;
  ImageDecoder& operator=(ImageDecoder&&) noexcept;

  DecodeResult decode_file(const std::string& path, Image& out);
  /// The file alone, into a buffer that only grows; only regular files of at most 1 GiB are read.
  static DecodeResult read_file(const std::string& path, std::vector<std::uint8_t>& buffer,
                                std::span<const std::uint8_t>& bytes);
  DecodeResult decode(std::span<const std::uint8_t> bytes, Image& out);
  /// The same of a picture file; pixels are copied.
  DecodeResult decode(const StoredPicture& picture, Image& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Exchanges red and blue in place.
void swap_red_blue(Image& image);

/// The file of a picture, by suffix (.png, .jpg, .bmp). quality is for JPEG only. Throws Error.
std::vector<std::uint8_t> encode_image(const std::string& suffix, const Image& image, int quality = 95);

/// Writes a picture as .png, .jpg or .bmp by suffix; throws Error naming the file. quality is for JPEG only.
void write_image(const std::string& path, const Image& image, int quality = 95);

}  // namespace qcface::data
