#include "harness/data/align/similarity.h"

#include <cmath>
#include <cstddef>

#include "core/error.h"

namespace qcface::data {

FivePoints face_template(int height, bool narrow) {
  // As the published code has them: f32, of which those of 112 columns are sums. A double of the same digits differs in the
  // eighth.
  static constexpr std::array<std::array<float, 2>, 5> kNarrow{{{30.2946f, 51.6963f},
                                                                {65.5318f, 51.5014f},
                                                                {48.0252f, 71.7366f},
                                                                {33.5493f, 92.3655f},
                                                                {62.7299f, 92.2041f}}};
  constexpr float kWider = 8;
  constexpr double kHeight = 112;
  const double scale = height / kHeight;
  FivePoints points;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const float x = kNarrow[i][0] + (narrow ? 0 : kWider);
    points[i] = {static_cast<double>(x) * scale, static_cast<double>(kNarrow[i][1]) * scale};
  }
  return points;
}

std::optional<Similarity> fit_similarity(std::span<const Point> from, std::span<const Point> to) {
  require(from.size() == to.size() && !from.empty(), "similarity: {} points to {}", from.size(), to.size());
  const auto count = static_cast<double>(from.size());
  // Means are taken from the first point on, so that points that are one have v = 0 and no rounding left of it.
  const auto mean_of = [&](std::span<const Point> points) {
    Point mean;
    for (const Point& p : points) {
      mean.x += (p.x - points[0].x) / count;
      mean.y += (p.y - points[0].y) / count;
    }
    return Point{points[0].x + mean.x, points[0].y + mean.y};
  };
  const Point source = mean_of(from), target = mean_of(to);
  double v = 0, dot = 0, cross = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Point s{from[i].x - source.x, from[i].y - source.y}, d{to[i].x - target.x, to[i].y - target.y};
    v += s.x * s.x + s.y * s.y;
    dot += s.x * d.x + s.y * d.y;
    cross += s.x * d.y - s.y * d.x;
  }
  if (v == 0) return std::nullopt;
  Similarity map{dot / v, cross / v, 0, 0};
  map.tx = target.x - (map.a * source.x - map.b * source.y);
  map.ty = target.y - (map.b * source.x + map.a * source.y);
  const double inverse = 1 / (map.a * map.a + map.b * map.b);
  if (!std::isfinite(inverse) || !std::isfinite(map.tx) || !std::isfinite(map.ty)) return std::nullopt;
  return map;
}

}  // namespace qcface::data
