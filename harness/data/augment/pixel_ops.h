// The pixel loops worth vector instructions, compiled once for the base architecture and, on x86-64, once for AVX2.
// pixel_ops() chooses by what the processor offers. All are integer arithmetic: both versions give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/data/augment/lab.h"

namespace qcface::data {

/// A picture with a border already around it: `pixels` points at the upper left border pixel; 3 bytes a pixel.
/// Each row is readable for kRowSlack bytes past its end.
struct Padded {
  static constexpr std::size_t kRowSlack = 64;
  const std::uint8_t* pixels = nullptr;
  std::size_t stride = 0;  // bytes
  int height = 0;          // of the picture inside the border
  int width = 0;
};

struct PixelOps {
  const char* name;
  /// Per-channel median of size x size (3, 5, 7) neighbours -> out [height, width, 3]. The border is size / 2 wide.
  /// scratch holds median_scratch_bytes(size, width).
  void (*median)(const Padded& in, int size, std::uint8_t* scratch, std::uint8_t* out);
  std::size_t (*median_scratch_bytes)(int size, int width);
  /// Box mean of size x size (3, 5, 7) neighbours, to nearest. scratch holds 3 * (width + size) + kRowSlack values.
  void (*box)(const Padded& in, int size, std::uint16_t* scratch, std::uint8_t* out);
  /// RGB -> 8-bit Lab planes and back; see lab.h.
  void (*rgb_to_lab)(const LabTables& tables, const std::uint8_t* rgb, std::size_t pixels, std::uint8_t* l,
                     std::uint8_t* a, std::uint8_t* b);
  void (*lab_to_rgb)(const LabTables& tables, const std::uint8_t* l, const std::uint8_t* a,
                     const std::uint8_t* b, std::size_t pixels, std::uint8_t* rgb);
};

const PixelOps& pixel_ops();  // the best for this processor
const PixelOps& pixel_ops_baseline();
/// nullptr where the build or the processor has no AVX2.
const PixelOps* pixel_ops_avx2();

}  // namespace qcface::data
