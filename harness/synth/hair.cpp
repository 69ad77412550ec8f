// Hair: a mass behind the head for long styles, and the cap above the hairline.
#include "harness/synth/canvas.h"

namespace qcface::synth {
namespace {

// Strands: stretched noise along the fall of the hair, and a band of light.
Rgb hair_colour(const FaceIdentity& f, const FacePicture& p, float x, float y) {
  const float angle = f.style == HairStyle::kCurly ? 0.0f : 3.0f * (x - f.part);
  float strand = value_noise(f.texture + 1, 26.0f * x + 4.0f * angle, 3.5f * y);
  if (f.style == HairStyle::kCurly) strand = value_noise(f.texture + 1, 15.0f * x, 15.0f * y);
  const float nx = x / (f.half_width + f.hair_volume), ny = (y + 0.2f) / (f.skull + f.hair_volume);
  const float nz = std::sqrt(std::max(0.05f, 1.0f - nx * nx - ny * ny));
  const float light = light_on(p, nx, ny, nz);
  const float sheen = p.diffuse * 0.22f * bump(0.0f, y + 0.86f + 0.10f * x * x, 1.0f, 0.13f);
  const float level = p.hair_light * light * (0.70f + 0.55f * strand) + 0.02f;
  return {f.hair.r * level + sheen * (0.3f + f.hair.r), f.hair.g * level + sheen * (0.3f + f.hair.g),
          f.hair.b * level + sheen * (0.3f + f.hair.b)};
}

// Lower edge of the cap at head coordinate x.
float hairline_at(const FaceIdentity& f, float x) {
  const float t = x / f.half_width;
  switch (f.style) {
    case HairStyle::kBald:
      return -10.0f;
    case HairStyle::kShort:
      return f.hairline + 0.16f * t * t + 0.05f * std::exp(-t * t / 0.02f);
    case HairStyle::kFringe:
      return f.hairline + 0.26f + 0.03f * std::sin(19.0f * x + 5.0f * f.part) + 0.10f * t * t;
    case HairStyle::kSidePart: {
      const float d = (x - f.part) / f.half_width;
      return f.hairline + (d > 0 ? 0.30f * d : -0.16f * d) - 0.04f;
    }
    case HairStyle::kLong:
      return f.hairline - 0.02f + 0.55f * std::pow(std::abs((x - 0.5f * f.part) / f.half_width), 1.6f);
    case HairStyle::kCurly:
      return f.hairline + 0.07f + 0.035f * std::sin(31.0f * x) + 0.16f * t * t;
  }
  return f.hairline;
}

}  // namespace

void paint_hair_behind(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  if (f.style != HairStyle::kLong && f.style != HairStyle::kCurly) return;
  const bool curly = f.style == HairStyle::kCurly;
  const float volume = f.hair_volume + (curly ? 0.14f : 0.10f);
  const float end = curly ? 0.35f : 1.6f;
  canvas.each(0, 0.2f, 2.2f, [&](float x, float y, Rgb& pixel) {
    const float dx = x + 0.42f * pose.sin_yaw();
    const float ripple = curly ? 0.05f * (value_noise(f.texture + 2, 9.0f * x, 9.0f * y) - 0.5f) : 0.0f;
    const float width = f.half_width + volume + ripple - (y > 0.4f ? 0.10f * (y - 0.4f) : 0.0f);
    const float cap = outline_distance(f, pose, x, std::min(y, 0.0f), volume + ripple);
    const float alpha = y < 0.0f ? canvas.edge(cap) : canvas.edge(std::min(width - std::abs(dx), end - y));
    if (alpha > 0.0f) pixel = mix(pixel, hair_colour(f, p, dx, y) * 0.62f, alpha);
  });
}

void paint_hair_front(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  if (f.style == HairStyle::kBald) return;
  const bool curly = f.style == HairStyle::kCurly;
  const float volume = f.hair_volume + (curly ? 0.10f : 0.0f);
  // Sideburns and side hair reach down to here.
  const float side_end = f.style == HairStyle::kLong ? 0.55f : f.style == HairStyle::kFringe ? 0.12f : -0.05f;
  canvas.each(0, -0.3f, 1.9f, [&](float x, float y, Rgb& pixel) {
    const float ripple = curly ? 0.06f * (value_noise(f.texture + 2, 9.0f * x, 9.0f * y) - 0.5f) : 0.0f;
    const float outer = outline_distance(f, pose, x, y, volume + ripple);
    if (outer < -0.02f) return;
    // The hairline sits on the front of the head and turns with it.
    const float dx = x - 0.22f * pose.sin_yaw(), dy = y - 0.22f * pose.sin_pitch();
    const float above = hairline_at(f, dx) - dy;
    const float inner = outline_distance(f, pose, x, y, -0.035f);
    const float sides = std::min(side_end - dy, -inner);
    const float softness = 3.0f * canvas.pixel();
    const float alpha = canvas.edge(outer) * clamp01(std::max(above, sides) / softness + 0.5f);
    if (alpha > 0.0f) {
      pixel = mix(pixel, hair_colour(f, p, x + 0.42f * pose.sin_yaw(), y), alpha);
    } else if (above > -0.10f) {
      pixel = pixel * (1.0f - 0.22f * smooth_step(-0.10f, 0.0f, above));  // shadow on the forehead
    }
  });
}

}  // namespace qcface::synth
