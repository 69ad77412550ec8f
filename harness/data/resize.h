// The resize of data-formats.md section 11: triangle filter with antialias, 8-bit fixed point, horizontal
// pass, then vertical one. Bit-exact; a pass whose size does not change is skipped.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/data/image.h"

namespace qcface::data {

/// Filter taps and the picture between the two passes, kept for reuse. One a thread.
class Resizer {
 public:
  /// in -> out [height, width, 3]; in and out must differ.
  void resize(const Image& in, int height, int width, Image& out);
  /// Shorter side to `side`, the other to floor(side * long / short). Returns the picture to use: `in` itself
  /// when its size is already right, else `out`.
  const Image& resize_shorter_side(const Image& in, int side, Image& out);

 private:
  struct Taps {
    int in = 0, out = 0, width = 0;    // width: most taps an output pixel has
    std::vector<std::int32_t> begin;   // [out] first input pixel
    std::vector<std::int32_t> count;   // [out]
    std::vector<std::int32_t> weight;  // [out, width], scaled by 2^22
    void compute(int in_size, int out_size);
  };
  Taps horizontal_;
  Taps vertical_;
  Image between_;
  std::vector<std::int32_t> sums_;
};

}  // namespace qcface::data
