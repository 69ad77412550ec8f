// Five points of a face and the similarity that puts them where networks expect them (data-formats.md section 13).
#pragma once

#include <array>
#include <optional>
#include <span>

namespace qcface::data {

struct Point {
  double x = 0, y = 0;  // pixels; the centre of the first one is (0, 0)
};
/// Eyes (left and right in the picture), nose, corners of the mouth (left and right).
using FivePoints = std::array<Point, 5>;

/// x' = a x - b y + tx, y' = b x + a y + ty: a turn and a scale, no mirroring.
struct Similarity {
  double a = 1, b = 0, tx = 0, ty = 0;
  Point operator()(Point p) const { return {a * p.x - b * p.y + tx, b * p.x + a * p.y + ty}; }
};

/// Where the points stand in a crop of `height` rows: the published set for 112 x 112, scaled by height / 112; `narrow`: of
/// 96 x 112, whose x is smaller by 8.
FivePoints face_template(int height, bool narrow);

/// The similarity M that minimises sum |M(from_i) - to_i|^2. With s and d the points less their means and v = sum |s|^2:
///   a = sum s.d / v, b = sum (sx dy - sy dx) / v, t = mean(to) - [a -b; b a] mean(from)
/// Nothing where all points of `from` are one (v = 0), or no such map can be inverted.
std::optional<Similarity> fit_similarity(std::span<const Point> from, std::span<const Point> to);

}  // namespace qcface::data
