// One procedural face: what is fixed for an identity, what changes from picture to picture, and the rendering.
// Lengths are in units of half the height of the face; x grows to the right, y downwards, z towards the viewer, the
// origin is the middle of the face. Angles in radians, colours 0..1 per channel.
#pragma once

#include <array>
#include <cstdint>

#include "harness/data/image.h"

namespace qcface::synth {

struct Rgb {
  float r = 0, g = 0, b = 0;
};
inline Rgb operator*(Rgb c, float s) { return {c.r * s, c.g * s, c.b * s}; }
inline Rgb mix(Rgb a, Rgb b, float t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

enum class HairStyle { kBald, kShort, kFringe, kSidePart, kLong, kCurly };
inline constexpr int kHairStyles = 6;

struct FaceIdentity {
  // Outline: half width, sharpness of the jaw (exponent of the lower half), width of the chin, top of the skull.
  float half_width, jaw, chin, skull;
  float eye_x, eye_y, eye_width, eye_height, eye_slant;
  Rgb iris;
  float brow_gap, brow_length, brow_thickness, brow_arch, brow_slope;
  float nose_length, nose_width, nose_bridge, nose_tip;
  float mouth_y, mouth_width, upper_lip, lower_lip, mouth_curve;
  float ear_size, ear_y, ear_out;
  float cheek;  // strength of the cheek bones
  Rgb skin, hair, lips;
  HairStyle style;
  float hairline, hair_volume, part, brow_darkness;
  bool glasses;
  float glasses_size, glasses_round;
  Rgb glasses_colour;
  float beard, moustache;  // 0..1 strength
  float freckles;          // 0..1
  bool mole;
  float mole_x, mole_y;
  std::uint64_t texture;  // seed of marks, freckles and hair strands
  int marks = 0;          // moles all over the face
};

struct FacePicture {
  float yaw, pitch, roll, scale, shift_x, shift_y;
  float smile, mouth_open, brow_raise, eye_open, gaze_x, gaze_y;
  std::array<float, 3> light;  // direction, unit length
  float ambient, diffuse, shine, hair_light;
  Rgb white_balance;
  float exposure, contrast, blur, noise;
  Rgb background_a, background_b, cloth;
  float background_angle;
  std::uint64_t texture;  // seed of background and noise
};

/// Streams (seed, kSynthIdentity, 0, identity) and (seed, kSynthPicture, identity, picture).
FaceIdentity draw_identity(std::uint64_t seed, std::uint64_t identity);
/// Somebody who shares with the first of a group of `group` what a small or blurred picture shows, and has the rest alone.
FaceIdentity draw_double(std::uint64_t seed, std::uint64_t identity, std::uint64_t group);
FacePicture draw_picture(std::uint64_t seed, std::uint64_t identity, std::uint64_t picture);

/// Renders size x size pixels, twice supersampled. A pure function of its arguments.
void render_face(const FaceIdentity& identity, const FacePicture& picture, int size, data::Image& out);

}  // namespace qcface::synth
