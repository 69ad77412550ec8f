// Head, neck, background, and the way from the canvas to an 8-bit picture.
#include <array>
#include <opencv2/imgproc.hpp>

#include "core/random.h"
#include "harness/synth/canvas.h"

namespace qcface::synth {
namespace {

constexpr int kSupersample = 2;
constexpr float kUnit = 0.435f;  // face units to picture sides

float hash01(std::uint64_t seed, int x, int y) {
  std::uint64_t h = seed ^ (static_cast<std::uint64_t>(static_cast<std::uint32_t>(x)) * 0x9E3779B97F4A7C15u) ^
                    (static_cast<std::uint64_t>(static_cast<std::uint32_t>(y)) * 0xC2B2AE3D27D4EB4Fu);
  h = (h ^ (h >> 31)) * 0xD6E8FEB86659FD93u;
  h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
  return static_cast<float>(h >> 40) * 0x1p-24f;
}

}  // namespace

float value_noise(std::uint64_t seed, float x, float y) {
  const float fx = std::floor(x), fy = std::floor(y);
  const int ix = static_cast<int>(fx), iy = static_cast<int>(fy);
  const float tx = smooth_step(0, 1, x - fx), ty = smooth_step(0, 1, y - fy);
  const float top = hash01(seed, ix, iy) * (1 - tx) + hash01(seed, ix + 1, iy) * tx;
  const float bottom = hash01(seed, ix, iy + 1) * (1 - tx) + hash01(seed, ix + 1, iy + 1) * tx;
  return top * (1 - ty) + bottom * ty;
}

HeadPose::HeadPose(const FaceIdentity& identity, const FacePicture& picture)
    : half_width_(identity.half_width),
      cos_yaw_(std::cos(picture.yaw)),
      sin_yaw_(std::sin(picture.yaw)),
      cos_pitch_(std::cos(picture.pitch)),
      sin_pitch_(std::sin(picture.pitch)) {
  // Pictures are aligned on the features, not on the skull: most of the features' common shift is taken back.
  constexpr float kFeatureDepth = 0.42f;
  recentre_x_ = kFeatureDepth * sin_yaw_;
  recentre_y_ = kFeatureDepth * sin_pitch_;
}

Turned HeadPose::place(float x, float y, float lift) const {
  const float rx = x / (half_width_ * 1.05f), ry = y / 1.25f;
  const float depth = 0.72f * std::sqrt(std::max(0.05f, 1.0f - rx * rx - ry * ry)) + lift;
  return {x * cos_yaw_ + depth * sin_yaw_ - recentre_x_, y * cos_pitch_ + depth * sin_pitch_ - recentre_y_};
}

float outline_distance(const FaceIdentity& identity, const HeadPose& pose, float x, float y, float volume) {
  const float dy = y + 0.42f * pose.sin_pitch();
  const float dx = x + 0.42f * pose.sin_yaw();
  // The far cheek falls away, the near one comes forward.
  const float side = dx * pose.sin_yaw() > 0 ? 1.0f - 0.10f * std::abs(pose.sin_yaw())
                                             : 1.0f + 0.04f * std::abs(pose.sin_yaw());
  const float width = (identity.half_width + volume) * side;
  float half = 0.0f;
  if (dy < 0.0f) {
    const float t = dy / (identity.skull + volume);
    half = width * std::sqrt(std::max(0.0f, 1.0f - t * t));
    if (t <= -1.0f) return std::min((t + 1.0f) * identity.skull, -std::abs(dx));
  } else {
    const float length = 1.02f + volume;
    const float t = dy / length;
    if (t >= 1.0f) return std::min((1.0f - t) * length, -std::abs(dx));
    const float taper = 1.0f - std::pow(t, identity.jaw);
    half = width * (1.0f - (0.30f - identity.chin) * t * t) * std::sqrt(taper);
  }
  // Horizontal distance overstates the distance to a slanted edge; good enough for one pixel of softness.
  const float steep = std::sqrt(std::max(0.08f, 1.0f - dy * dy * dy * dy));
  return (half - std::abs(dx)) * std::min(1.0f, steep);
}

float light_on(const FacePicture& picture, float nx, float ny, float nz) {
  const float lambert = std::max(0.0f, nx * picture.light[0] + ny * picture.light[1] + nz * picture.light[2]);
  return picture.ambient + picture.diffuse * lambert;
}

void paint_background(Canvas& canvas, const FacePicture& picture) {
  const float c = std::cos(picture.background_angle), s = std::sin(picture.background_angle);
  const float inverse = 1.0f / static_cast<float>(canvas.size());
  for (int y = 0; y < canvas.size(); ++y) {
    for (int x = 0; x < canvas.size(); ++x) {
      const float u = static_cast<float>(x) * inverse, v = static_cast<float>(y) * inverse;
      const float cloud = value_noise(picture.texture, u * 3.0f, v * 3.0f);
      const float t = clamp01(0.5f + 0.7f * ((u - 0.5f) * c + (v - 0.5f) * s) + 0.5f * (cloud - 0.5f));
      canvas.at(y, x) = mix(picture.background_a, picture.background_b, t);
    }
  }
}

void paint_neck(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                const HeadPose& pose) {
  const float x0 = -0.30f * pose.sin_yaw();
  const float half = 0.58f * identity.half_width;
  const Rgb skin = identity.skin * (light_on(picture, 0, 0.3f, 0.8f) * 0.72f);
  canvas.paint(0, 1.0f, 1.0f, skin, [&](float x, float y) {
    return canvas.edge(half + 0.10f * std::max(0.0f, y - 1.0f) - std::abs(x - x0)) * canvas.edge(y - 0.45f);
  });
  // Collar: a wide bow below the neck.
  const Rgb cloth = picture.cloth * light_on(picture, 0, 0, 1);
  canvas.paint(0, 1.5f, 2.0f, cloth, [&](float x, float y) {
    const float dx = x - x0;
    const float top = 1.10f + 0.55f * dx * dx - 0.06f * std::cos(6.0f * dx);
    return canvas.edge(y - top);
  });
}

void paint_skin(Canvas& canvas, const FaceIdentity& identity, const FacePicture& picture,
                const HeadPose& pose) {
  // Ears: behind the face, on the side that is turned to the viewer more of them.
  for (int side : {-1, 1}) {
    const float seen = 1.0f - 1.1f * static_cast<float>(side) * pose.sin_yaw();
    const float x0 =
        static_cast<float>(side) * (identity.half_width * pose.narrow() + identity.ear_out * seen) -
        0.42f * pose.sin_yaw();
    const float y0 = identity.ear_y - 0.42f * pose.sin_pitch();
    const float rx = 0.55f * identity.ear_size * std::max(0.35f, seen), ry = identity.ear_size;
    const float light = light_on(picture, static_cast<float>(side) * 0.8f, 0, 0.6f);
    canvas.paint(x0, y0, 0.4f, identity.skin * (0.93f * light),
                 [&](float x, float y) { return canvas.ellipse(x - x0, y - y0, rx, ry); });
    canvas.shade(x0, y0, 0.3f, -0.30f,
                 [&](float x, float y) { return bump(x - x0, y - y0, 0.45f * rx, 0.55f * ry); });
  }
  // Face: an ellipsoid's normals, darker towards the rim, a highlight, skin of uneven tone.
  const float shift_x = 0.42f * pose.sin_yaw(), shift_y = 0.42f * pose.sin_pitch();
  canvas.each(0, 0, 1.5f, [&](float x, float y, Rgb& pixel) {
    const float alpha = canvas.edge(outline_distance(identity, pose, x, y, 0.0f));
    if (alpha <= 0.0f) return;
    float nx = (x + shift_x) / (identity.half_width * 1.02f), ny = (y + shift_y) / 1.15f;
    const float r2 = nx * nx + ny * ny;
    float nz = std::sqrt(std::max(0.02f, 1.0f - r2));
    const float inverse = 1.0f / std::sqrt(r2 + nz * nz);
    nx *= inverse;
    ny *= inverse;
    nz *= inverse;
    const float light = light_on(picture, nx, ny, nz);
    // Reflection of the light towards the viewer.
    const float half_z = picture.light[2] + 1.0f;
    const float length = std::sqrt(picture.light[0] * picture.light[0] + picture.light[1] * picture.light[1] +
                                   half_z * half_z);
    const float mirror =
        std::max(0.0f, (nx * picture.light[0] + ny * picture.light[1] + nz * half_z) / length);
    const float mirror2 = mirror * mirror, mirror8 = mirror2 * mirror2 * mirror2 * mirror2;
    const float gloss = picture.shine * mirror8 * mirror8 * mirror8;
    const float tone =
        1.0f + 0.05f * (value_noise(identity.texture, 7.0f * x + 40.0f, 7.0f * y + 40.0f) - 0.5f);
    const float flush = 0.10f * (bump(std::abs(x - shift_x * 0.3f) - 0.42f, y - 0.22f, 0.22f, 0.20f));
    Rgb colour = identity.skin * (light * tone);
    colour = {colour.r * (1.0f + 0.35f * flush) + gloss, colour.g * (1.0f - flush) + gloss,
              colour.b * (1.0f - flush) + gloss};
    pixel = mix(pixel, colour, alpha);
  });
}

void render_face(const FaceIdentity& identity, const FacePicture& picture, int size, data::Image& out) {
  const int big = kSupersample * size;
  Canvas canvas(big, kUnit * static_cast<float>(big), picture);
  const HeadPose pose(identity, picture);
  paint_background(canvas, picture);
  paint_hair_behind(canvas, identity, picture, pose);
  paint_neck(canvas, identity, picture, pose);
  paint_skin(canvas, identity, picture, pose);
  paint_features(canvas, identity, picture, pose);
  paint_hair_front(canvas, identity, picture, pose);
  paint_glasses(canvas, identity, picture, pose);

  cv::Mat drawn(big, big, CV_32FC3, canvas.pixels().data()), small;
  cv::resize(drawn, small, {size, size}, 0, 0, cv::INTER_AREA);
  if (picture.blur > 0.0f) {
    cv::GaussianBlur(small, small, {0, 0}, picture.blur * static_cast<double>(size) / 112.0, 0,
                     cv::BORDER_REPLICATE);
  }
  out.reshape(size, size);
  RandomStream noise(picture.texture, RandomPurpose::kSynthPicture);
  const std::array<float, 3> gain = {picture.white_balance.r * picture.exposure,
                                     picture.white_balance.g * picture.exposure,
                                     picture.white_balance.b * picture.exposure};
  for (int y = 0; y < size; ++y) {
    const float* in = small.ptr<float>(y);
    std::uint8_t* row = out.row(y);
    for (int i = 0; i < 3 * size; ++i) {
      // The sum of four uniform bytes is close enough to a normal distribution (standard deviation 147.8).
      const std::uint32_t bits = noise.next_u32();
      const int bytes =
          static_cast<int>((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24)) - 510;
      float v = in[i] * gain[static_cast<std::size_t>(i % 3)];
      v = 0.5f + (v - 0.5f) * picture.contrast + picture.noise * static_cast<float>(bytes) / 147.8f;
      row[i] = static_cast<std::uint8_t>(255.0f * clamp01(v) + 0.5f);
    }
  }
}

}  // namespace qcface::synth
