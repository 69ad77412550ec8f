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

/// One a thread.
class JpegCodec {
 public:
  JpegCodec();
  ~JpegCodec();
  JpegCodec(const JpegCodec&) = delete;
  JpegCodec& operator=(const JpegCodec&) = delete;

  /// Decodes to RGB. orientation gets the EXIF turn (1..8, 1 = upright), which is not applied. CMYK and YCCK are read as
  /// Adobe writes them, with 0 for full ink: C K / 255 is red.
  DecodeResult decode(std::span<const std::uint8_t> bytes, Image& out, int& orientation);

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
