// JPEG through libjpeg with handles that are kept: decoding of files, and the encode-decode round trip of the
// augmentation. OpenCV's own codec gives the same pixels, but sets its handles up anew for every picture and
// does not say whether the data was damaged.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "harness/data/image.h"

namespace qcface::data {

enum class JpegStatus { kOk, kDamaged, kTooLarge, kForeignColour };

/// One a thread.
class JpegCodec {
 public:
  JpegCodec();
  ~JpegCodec();
  JpegCodec(const JpegCodec&) = delete;
  JpegCodec& operator=(const JpegCodec&) = delete;

  /// Decodes to RGB. orientation gets the EXIF turn (1..8, 1 = upright), which is not applied. kDamaged:
  /// `reason` says what libjpeg found, out is undefined. kForeignColour: CMYK, which libjpeg does not
  /// convert. kTooLarge: a side above max_side or more than max_pixels.
  JpegStatus decode(std::span<const std::uint8_t> bytes, int max_side, std::int64_t max_pixels, Image& out,
                    int& orientation, std::string& reason);

  /// Encodes as baseline JPEG, 4:2:0. The result is valid until the next call. quality 1..100. swap_rb: the
  /// encoder is told that the first byte of a pixel is blue.
  std::span<const std::uint8_t> encode(const Image& image, int quality, bool swap_rb = false);

  /// image = decode(encode(image)).
  void round_trip(Image& image, int quality, bool swap_rb);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qcface::data
