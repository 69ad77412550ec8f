// A picture through a similarity (data-formats.md section 13).
#pragma once

#include "harness/data/align/similarity.h"
#include "harness/data/image.h"

namespace qcface::data {

/// out [height, width]: pixel (x, y) is `image` at the inverse of `map`, bilinear between four pixels; outside the picture is
/// 0. In fixed point: places in 1/32 pixel, weights in 2^-15. `out` is another picture than `image`.
void warp(const Image& image, const Similarity& map, int height, int width, Image& out);

}  // namespace qcface::data
