// A float picture that shapes are painted on, in the head's own coordinates (face.h): the canvas knows roll,
// scale and shift of the picture, shapes are functions (x, y) -> coverage in 0..1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "harness/synth/face.h"

namespace qcface::synth {

inline float clamp01(float v) { return std::clamp(v, 0.0f, 1.0f); }
inline float smooth_step(float low, float high, float v) {
  const float t = clamp01((v - low) / (high - low));
  return t * t * (3.0f - 2.0f * t);
}
/// Falls from 1 at the centre; sx and sy are the distances at which it is 1/e.
inline float bump(float x, float y, float sx, float sy) {
  return std::exp(-(x * x / (sx * sx) + y * y / (sy * sy)));
}

class Canvas {
 public:
  /// `unit` is the number of canvas pixels of one face unit.
  Canvas(int size, float unit, const FacePicture& picture)
      : size_(size),
        pixels_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)),
        unit_(unit * picture.scale),
        cos_(std::cos(picture.roll)),
        sin_(std::sin(picture.roll)),
        centre_x_((0.5f + picture.shift_x) * static_cast<float>(size)),
        centre_y_((0.52f + picture.shift_y) * static_cast<float>(size)) {}

  int size() const { return size_; }
  /// Length of a canvas pixel in face units: the width over which an edge is softened.
  float pixel() const { return 1.0f / unit_; }
  Rgb& at(int y, int x) {
    return pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(size_) +
                   static_cast<std::size_t>(x)];
  }
  std::vector<Rgb>& pixels() { return pixels_; }

  /// Coverage of the inside of an edge from the signed distance to it (positive inside, face units).
  float edge(float distance) const { return clamp01(distance * unit_ + 0.5f); }
  /// An ellipse with half axes rx, ry around the origin of (x, y).
  float ellipse(float x, float y, float rx, float ry) const {
    const float r = std::sqrt(x * x / (rx * rx) + y * y / (ry * ry));
    return edge((1.0f - r) * std::min(rx, ry));
  }

  /// pixel = shape(x, y, pixel) for all pixels within `radius` of (x0, y0).
  template <class Shape>
  void each(float x0, float y0, float radius, Shape shape) {
    const float px = centre_x_ + unit_ * (cos_ * x0 - sin_ * y0),
                py = centre_y_ + unit_ * (sin_ * x0 + cos_ * y0);
    const float r = radius * unit_ + 1.0f;
    const int y_begin = std::max(0, static_cast<int>(std::floor(py - r)));
    const int y_end = std::min(size_, static_cast<int>(std::ceil(py + r)) + 1);
    const int x_begin = std::max(0, static_cast<int>(std::floor(px - r)));
    const int x_end = std::min(size_, static_cast<int>(std::ceil(px + r)) + 1);
    const float step = 1.0f / unit_;
    for (int y = y_begin; y < y_end; ++y) {
      for (int x = x_begin; x < x_end; ++x) {
        const float dx = (static_cast<float>(x) + 0.5f - centre_x_) * step;
        const float dy = (static_cast<float>(y) + 0.5f - centre_y_) * step;
        shape(cos_ * dx + sin_ * dy, -sin_ * dx + cos_ * dy, at(y, x));
      }
    }
  }

  /// Paints `colour` where coverage(x, y) > 0.
  template <class Coverage>
  void paint(float x0, float y0, float radius, Rgb colour, Coverage coverage) {
    each(x0, y0, radius, [&](float x, float y, Rgb& pixel) {
      const float alpha = coverage(x, y);
      if (alpha > 0.0f) pixel = mix(pixel, colour, alpha);
    });
  }
  /// Multiplies by 1 + amount * weight(x, y): negative darkens.
  template <class Weight>
  void shade(float x0, float y0, float radius, float amount, Weight weight) {
    each(x0, y0, radius,
         [&](float x, float y, Rgb& pixel) { pixel = pixel * (1.0f + amount * weight(x, y)); });
  }

 private:
  int size_;
  std::vector<Rgb> pixels_;
  float unit_, cos_, sin_, centre_x_, centre_y_;
};

/// Cheap value noise for textures: in 0..1, smooth, a pure function of its arguments.
float value_noise(std::uint64_t seed, float x, float y);

/// Turning of the head: where a point of the face lands.
struct Turned {
  float x = 0, y = 0;
};
class HeadPose {
 public:
  HeadPose(const FaceIdentity& identity, const FacePicture& picture);
  /// A point of the surface at (x, y), lifted by `lift` towards the viewer.
  Turned place(float x, float y, float lift = 0.0f) const;
  float narrow() const { return cos_yaw_; }     // shrinking of widths
  float flatten() const { return cos_pitch_; }  // and of heights
  float sin_yaw() const { return sin_yaw_; }
  float sin_pitch() const { return sin_pitch_; }

 private:
  float half_width_, cos_yaw_, sin_yaw_, cos_pitch_, sin_pitch_, recentre_x_, recentre_y_;
};

/// Distance from inside to the outline of the head without hair, and of the skull with `volume` of hair around it.
float outline_distance(const FaceIdentity& identity, const HeadPose& pose, float x, float y, float volume);

// The parts of a head, in painting order.
void paint_background(Canvas& canvas, const FacePicture& picture);
void paint_neck(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                const HeadPose& pose);
void paint_hair_behind(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                       const HeadPose& pose);
void paint_skin(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                const HeadPose& pose);
void paint_features(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                    const HeadPose& pose);
void paint_hair_front(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                      const HeadPose& pose);
void paint_glasses(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                   const HeadPose& pose);

/// How strongly the light falls on a surface with this normal.
float light_on(const FacePicture& picture, float nx, float ny, float nz);

}  // namespace qcface::synth
