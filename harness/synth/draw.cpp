// The distributions of the procedural faces. Palettes are short and shared, light and white balance vary strongly, so
// that colour alone does not tell who it is: shape and place of the features do.
#include <cmath>

#include "core/random.h"
#include "harness/synth/face.h"

namespace qcface::synth {
namespace {

class Draw {
 public:
  explicit Draw(RandomStream stream) : stream_(stream) {}
  float range(double low, double high) { return static_cast<float>(stream_.uniform(low, high)); }
  /// Mean and spread, cut at two spreads.
  float around(double mean, double spread) {
    double v = stream_.normal();
    v = v < -2.0 ? -2.0 : v > 2.0 ? 2.0 : v;
    return static_cast<float>(mean + spread * v);
  }
  bool chance(double p) { return stream_.coin(p); }
  int pick(int n) { return stream_.integer(0, n - 1); }
  std::uint64_t seed() { return stream_.next_u64(); }
  Rgb near(Rgb c, double spread) {
    const float lightness = around(1.0, spread);
    return {c.r * lightness * around(1.0, spread / 3), c.g * lightness * around(1.0, spread / 3),
            c.b * lightness * around(1.0, spread / 3)};
  }

 private:
  RandomStream stream_;
};

constexpr Rgb kSkins[] = {{0.95f, 0.79f, 0.69f},
                          {0.90f, 0.72f, 0.58f},
                          {0.82f, 0.62f, 0.48f},
                          {0.70f, 0.49f, 0.36f},
                          {0.53f, 0.36f, 0.26f}};
constexpr Rgb kHairs[] = {{0.10f, 0.08f, 0.07f}, {0.26f, 0.17f, 0.11f}, {0.46f, 0.30f, 0.17f},
                          {0.76f, 0.60f, 0.36f}, {0.55f, 0.25f, 0.12f}, {0.62f, 0.60f, 0.58f}};
constexpr Rgb kIrises[] = {
    {0.28f, 0.17f, 0.09f}, {0.42f, 0.28f, 0.14f}, {0.30f, 0.42f, 0.55f}, {0.32f, 0.45f, 0.28f}};

}  // namespace

FaceIdentity draw_identity(std::uint64_t seed, std::uint64_t identity) {
  Draw d(RandomStream(seed, RandomPurpose::kSynthIdentity, 0, identity));
  FaceIdentity f{};
  f.half_width = d.around(0.76, 0.055);
  f.jaw = d.range(1.9, 3.6);
  f.chin = d.range(0.0, 0.28);
  f.skull = d.range(1.00, 1.18);
  f.eye_x = d.around(0.345, 0.03);
  f.eye_y = d.around(-0.10, 0.045);
  f.eye_width = d.around(0.155, 0.018);
  f.eye_height = d.around(0.078, 0.014);
  f.eye_slant = d.around(0.0, 0.12);
  f.iris = d.near(kIrises[d.pick(4)], 0.1);
  f.brow_gap = d.around(0.19, 0.03);
  f.brow_length = d.around(0.21, 0.025);
  f.brow_thickness = d.range(0.020, 0.060);
  f.brow_arch = d.range(0.0, 0.09);
  f.brow_slope = d.around(0.0, 0.13);
  f.nose_length = d.around(0.43, 0.06);
  f.nose_width = d.around(0.155, 0.030);
  f.nose_bridge = d.range(0.045, 0.10);
  f.nose_tip = d.range(0.06, 0.115);
  f.mouth_y = d.around(0.56, 0.045);
  f.mouth_width = d.around(0.26, 0.040);
  f.upper_lip = d.range(0.025, 0.065);
  f.lower_lip = d.range(0.035, 0.085);
  f.mouth_curve = d.around(0.0, 0.022);
  f.ear_size = d.range(0.15, 0.24);
  f.ear_y = d.around(0.0, 0.05);
  f.ear_out = d.range(-0.02, 0.08);
  f.cheek = d.range(0.0, 1.0);
  f.skin = d.near(kSkins[d.pick(5)], 0.04);
  f.hair = d.near(kHairs[d.pick(6)], 0.12);
  f.lips = mix(f.skin, Rgb{0.70f, 0.26f, 0.26f}, d.range(0.25, 0.6));
  const double styles[kHairStyles] = {0.08, 0.28, 0.47, 0.66, 0.86, 1.0};  // cumulative
  const float style = d.range(0.0, 1.0);
  int chosen = 0;
  while (chosen + 1 < kHairStyles && style > styles[chosen]) ++chosen;
  f.style = static_cast<HairStyle>(chosen);
  f.hairline = d.around(-0.66, 0.07);
  f.hair_volume = d.range(0.04, 0.16);
  f.part = d.range(-0.4, 0.4);
  f.brow_darkness = d.range(0.55, 0.95);
  f.glasses = d.chance(0.18);
  f.glasses_size = d.range(0.20, 0.26);
  f.glasses_round = d.range(2.0, 5.0);
  f.glasses_colour = d.chance(0.6) ? Rgb{0.10f, 0.09f, 0.09f} : Rgb{0.45f, 0.27f, 0.14f};
  const bool beard_group = d.chance(0.30) && f.style != HairStyle::kLong;
  f.beard = beard_group && d.chance(0.6) ? d.range(0.3, 0.9) : 0.0f;
  f.moustache = beard_group ? d.range(0.3, 0.9) : 0.0f;
  f.freckles = d.chance(0.18) ? d.range(0.4, 1.0) : 0.0f;
  f.mole = d.chance(0.25);
  f.mole_x = d.range(-0.5, 0.5);
  f.mole_y = d.range(0.1, 0.7);
  f.texture = d.seed();
  return f;
}

FaceIdentity draw_double(std::uint64_t seed, std::uint64_t identity, std::uint64_t group) {
  const FaceIdentity first = draw_identity(seed, identity - identity % group);
  FaceIdentity f = draw_identity(seed, identity);
  f.half_width = first.half_width;
  f.jaw = first.jaw;
  f.chin = first.chin;
  f.skull = first.skull;
  f.eye_x = first.eye_x;
  f.eye_y = first.eye_y;
  f.eye_width = first.eye_width;
  f.mouth_y = first.mouth_y;
  f.ear_size = first.ear_size;
  f.ear_y = first.ear_y;
  f.ear_out = first.ear_out;
  f.cheek = first.cheek;
  f.skin = first.skin;
  f.hair = first.hair;
  f.lips = first.lips;
  f.style = first.style;
  f.hairline = first.hairline;
  f.hair_volume = first.hair_volume;
  f.part = first.part;
  f.brow_darkness = first.brow_darkness;
  f.glasses = first.glasses;
  f.glasses_size = first.glasses_size;
  f.glasses_round = first.glasses_round;
  f.glasses_colour = first.glasses_colour;
  f.beard = first.beard;
  f.moustache = first.moustache;
  return f;
}

FacePicture draw_picture(std::uint64_t seed, std::uint64_t identity, std::uint64_t picture) {
  Draw d(RandomStream(seed, RandomPurpose::kSynthPicture, static_cast<std::uint32_t>(identity), picture));
  FacePicture p{};
  p.yaw = d.around(0.0, 0.24);
  p.pitch = d.around(0.0, 0.11);
  p.roll = d.around(0.0, 0.09);
  p.scale = d.around(1.0, 0.045);
  p.shift_x = d.around(0.0, 0.032);
  p.shift_y = d.around(0.0, 0.032);
  p.smile = d.chance(0.5) ? d.range(0.2, 1.0) : d.range(-0.3, 0.2);
  p.mouth_open = d.chance(0.35) ? d.range(0.2, 1.0) : 0.0f;
  p.brow_raise = d.around(0.0, 0.018);
  p.eye_open = d.range(0.62, 1.12);
  p.gaze_x = d.around(0.0, 0.18);
  p.gaze_y = d.around(0.0, 0.10);
  const float azimuth = d.range(-1.25, 1.25), height = d.range(-0.25, 0.9);
  p.light = {std::sin(azimuth) * std::cos(height), -std::sin(height), std::cos(azimuth) * std::cos(height)};
  p.ambient = d.range(0.30, 0.70);
  p.diffuse = d.range(0.25, 0.80);
  p.hair_light = d.range(0.6, 1.7);
  p.shine = d.range(0.0, 0.16);
  const float warmth = d.around(0.0, 0.11);
  p.white_balance = {1.0f + warmth, 1.0f + d.around(0.0, 0.02), 1.0f - warmth};
  p.exposure = d.range(0.64, 1.26);
  p.contrast = d.range(0.72, 1.18);
  p.blur = d.chance(0.4) ? d.range(0.3, 0.8) : 0.0f;
  p.noise = d.range(0.003, 0.018);
  const auto backdrop = [&d] {
    const float grey = d.range(0.05, 0.95);
    return Rgb{grey * d.range(0.80, 1.20), grey * d.range(0.80, 1.08), grey * d.range(0.65, 1.10)};
  };
  p.background_a = backdrop();
  p.background_b = mix(p.background_a, backdrop(), d.range(0.2, 0.8));
  p.cloth = {d.range(0.1, 0.85), d.range(0.1, 0.75), d.range(0.1, 0.75)};
  p.background_angle = d.range(0.0, 6.283);
  p.texture = d.seed();
  return p;
}

}  // namespace qcface::synth
