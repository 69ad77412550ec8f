// Eyes, brows, nose, mouth, beard, freckles, glasses.
#include "core/random.h"
#include "harness/synth/canvas.h"

namespace qcface::synth {
namespace {

void paint_eye(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose,
               float side) {
  const Turned c = pose.place(side * f.eye_x, f.eye_y, -0.05f);
  const float width = f.eye_width * pose.narrow() * (1.0f - 0.25f * side * pose.sin_yaw());
  const float height = f.eye_height * p.eye_open * pose.flatten() * (1.0f - 0.22f * std::max(0.0f, p.smile));
  const float light = light_on(p, side * 0.25f, -0.1f, 0.95f);
  const float slant = std::tan(f.eye_slant) * side;  // outer corner up for positive slant
  // Local coordinates: u along the eye in -1..1, v across it.
  const auto u_of = [&](float x) { return (x - c.x) / width; };
  const auto v_of = [&](float x, float y) { return y - c.y + slant * (x - c.x); };
  const auto upper = [&](float u) { return height * (1.0f - u * u) * (1.0f + 0.25f * u * side); };
  const auto lower = [&](float u) { return 0.72f * height * (1.0f - u * u); };
  canvas.shade(c.x, c.y - 0.03f, 0.45f, -0.20f,
               [&](float x, float y) { return bump(x - c.x, y - c.y + 0.02f, 1.35f * width, 0.13f); });
  const auto opening = [&](float x, float y) {
    const float u = u_of(x), v = v_of(x, y);
    if (std::abs(u) >= 1.0f) return 0.0f;
    return canvas.edge(std::min(v + upper(u), lower(u) - v));
  };
  canvas.paint(c.x, c.y, 1.1f * width, Rgb{0.93f, 0.91f, 0.89f} * std::min(1.05f, light + 0.12f), opening);
  const float iris = 0.088f, gaze_x = c.x + 0.22f * width * (p.gaze_x + 0.9f * pose.sin_yaw()) / 0.3f * 0.6f;
  const float gaze_y = c.y - 0.012f + 0.02f * p.gaze_y / 0.1f;
  const auto disc = [&](float radius) {
    return [&, radius](float x, float y) {
      return canvas.ellipse(x - gaze_x, v_of(x, y) - (gaze_y - c.y), radius * pose.narrow(), radius) *
             opening(x, y);
    };
  };
  canvas.paint(c.x, c.y, 1.1f * width, f.iris * (0.55f * (light + 0.25f)), disc(iris));
  canvas.paint(c.x, c.y, 1.1f * width, f.iris * (light + 0.25f), disc(0.80f * iris));
  canvas.paint(c.x, c.y, 1.1f * width, Rgb{0.04f, 0.03f, 0.03f}, disc(0.42f * iris));
  const float glint_x = gaze_x + 0.035f * p.light[0], glint_y = gaze_y + 0.035f * p.light[1] - 0.012f;
  canvas.paint(glint_x, glint_y, 0.05f, Rgb{0.98f, 0.98f, 0.98f}, [&](float x, float y) {
    return 0.9f * canvas.ellipse(x - glint_x, y - glint_y, 0.019f, 0.019f) * opening(x, y);
  });
  // Lids: a dark line above with lashes at the outer corner, a faint one below, and the crease.
  const Rgb lash = f.hair * 0.25f;
  canvas.paint(c.x, c.y, 1.3f * width, lash, [&](float x, float y) {
    const float u = u_of(x), v = v_of(x, y);
    if (std::abs(u) >= 1.08f) return 0.0f;
    const float outer = u * side;
    return 0.85f * canvas.edge(0.014f + 0.010f * std::max(0.0f, outer) - std::abs(v + upper(u) + 0.004f));
  });
  canvas.paint(c.x, c.y, 1.2f * width, f.skin * (0.55f * light), [&](float x, float y) {
    const float u = u_of(x), v = v_of(x, y);
    if (std::abs(u) >= 1.0f) return 0.0f;
    const float below = 0.45f * canvas.edge(0.008f - std::abs(v - lower(u)));
    const float crease = 0.55f * canvas.edge(0.008f - std::abs(v + upper(u) + 0.042f));
    return std::max(below, crease);
  });
}

void paint_brow(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose,
                float side) {
  const float y0 = f.eye_y - f.brow_gap - p.brow_raise;
  const Turned c = pose.place(side * (f.eye_x + 0.01f), y0, 0.02f);
  const float length = f.brow_length * pose.narrow() * (1.0f - 0.25f * side * pose.sin_yaw());
  const Rgb colour = mix(f.skin * 0.6f, f.hair * 0.8f, f.brow_darkness) * light_on(p, 0, -0.2f, 0.95f);
  canvas.paint(c.x, c.y, 1.3f * length, colour, [&](float x, float y) {
    const float u = (x - c.x) / length;  // -1..1
    const float outer = u * side;
    if (std::abs(u) >= 1.0f) return 0.0f;
    const float line = c.y - f.brow_arch * (1.0f - (outer - 0.25f) * (outer - 0.25f)) +
                       f.brow_slope * 0.35f * outer * length / 0.2f;
    const float half =
        f.brow_thickness * (outer > 0 ? 1.0f - 0.75f * outer * outer : 1.0f - 0.35f * outer * outer);
    const float strand = 0.75f + 0.25f * value_noise(f.texture, 60.0f * x, 22.0f * y);
    return strand * std::clamp((half - std::abs(y - line)) / (2.5f * canvas.pixel()) + 0.5f, 0.0f, 1.0f);
  });
}

void paint_nose(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  const float tip_y = f.eye_y + f.nose_length;
  const Turned root = pose.place(0, f.eye_y, 0.04f), tip = pose.place(0, tip_y, 0.26f),
               base = pose.place(0, tip_y + 0.05f, 0.12f);
  // The side of the bridge that is turned from the light is dark, the other bright.
  const float lean = std::clamp(p.light[0] * 1.2f, -1.0f, 1.0f);
  const float reach = f.nose_length + 0.3f;
  canvas.each(tip.x, 0.5f * (root.y + tip.y), reach, [&](float x, float y, Rgb& pixel) {
    const float t = clamp01((y - root.y) / (tip.y - root.y + 1e-3f));
    const float axis = root.x + (tip.x - root.x) * t;
    const float half = f.nose_bridge + (f.nose_tip - f.nose_bridge) * t * t;
    const float d = (x - axis) / half;
    const float along =
        smooth_step(root.y - 0.05f, root.y + 0.18f, y) * (1.0f - smooth_step(tip.y, tip.y + 0.07f, y));
    const float wing = d * std::exp(-0.5f * d * d * 0.8f);
    float amount = 0.26f * p.diffuse * lean * wing * along;
    amount += 0.10f * along * std::exp(-4.0f * d * d) * t;                               // ridge
    amount -= 0.10f * bump(std::abs(x - axis) - 1.3f * half, y - root.y, 0.06f, 0.12f);  // inner eye corners
    pixel = pixel * (1.0f + amount);
  });
  const float wing = f.nose_width * pose.narrow();
  // Wings, then the shadow below the tip, then nostrils.
  for (float side : {-1.0f, 1.0f}) {
    const float x0 = base.x + side * wing * 0.86f + 0.25f * (tip.x - base.x), y0 = base.y - 0.045f;
    canvas.shade(x0, y0, 0.2f, -0.26f, [&](float x, float y) {
      const float r =
          std::sqrt((x - x0 + side * 0.04f) * (x - x0 + side * 0.04f) + (y - y0) * (y - y0) * 1.3f);
      const float outside = (x - base.x) * side > 0 ? 1.0f : 0.0f;
      return outside * std::exp(-(r - 0.062f) * (r - 0.062f) / (0.022f * 0.022f));
    });
    const float nx = base.x + side * 0.50f * wing + 0.35f * (tip.x - base.x), ny = base.y - 0.005f;
    canvas.paint(nx, ny, 0.12f, f.skin * (0.28f * light_on(p, 0, 0.4f, 0.8f)), [&](float x, float y) {
      return 0.85f * canvas.ellipse(x - nx, y - ny - 0.15f * side * (x - nx), 0.30f * wing, 0.022f);
    });
  }
  const float below = p.light[1] < 0 ? 0.30f : 0.14f;  // light from above throws a shadow on the upper lip
  canvas.shade(base.x, base.y + 0.05f, 0.35f, -below * p.diffuse,
               [&](float x, float y) { return bump(x - base.x, y - base.y - 0.05f, 1.1f * wing, 0.045f); });
  canvas.shade(tip.x, tip.y - 0.02f, 0.2f, 0.16f, [&](float x, float y) {
    return bump(x - tip.x - 0.02f * lean, y - tip.y + 0.03f, 0.6f * f.nose_tip, 0.5f * f.nose_tip);
  });
}

void paint_mouth(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  const Turned c = pose.place(0, f.mouth_y, 0.06f);
  const float width = f.mouth_width * pose.narrow() * (1.0f + 0.20f * std::max(0.0f, p.smile));
  const float curve = f.mouth_curve - 0.055f * p.smile;  // corners up for a smile (y grows downwards)
  const float open = 0.075f * p.mouth_open;
  const float light = light_on(p, 0, 0.15f, 0.95f);
  const auto inside = [&](float u) { return 1.0f - u * u; };
  const auto middle = [&](float u) { return c.y + curve * (u * u - 0.35f); };
  const auto top_lip = [&](float u) {
    const float bow =
        0.75f + 0.25f * std::cos(2.4f * 3.14159f * u * 0.5f) - 0.22f * std::exp(-u * u / 0.012f);
    return middle(u) - 0.35f * open * inside(u) - f.upper_lip * inside(u) * bow * 1.25f;
  };
  const auto low_lip = [&](float u) {
    return middle(u) + 0.65f * open * inside(u) + f.lower_lip * inside(u) * (1.0f - 0.15f * u * u);
  };
  const auto in_range = [&](float x) { return (x - c.x) / width; };
  const Rgb lips = f.lips * light;
  canvas.each(c.x, c.y, width + 0.15f, [&](float x, float y, Rgb& pixel) {
    const float u = in_range(x);
    if (std::abs(u) >= 1.0f) return;
    const float alpha = canvas.edge(std::min(y - top_lip(u), low_lip(u) - y));
    if (alpha <= 0.0f) return;
    const float upper = y < middle(u) ? 0.82f : 1.06f - 0.5f * (y - middle(u));
    const float gloss =
        y > middle(u) ? 0.10f * bump(u - 0.3f * p.light[0], y - middle(u) - 0.55f * f.lower_lip, 0.4f, 0.02f)
                      : 0.0f;
    Rgb colour = lips * upper;
    colour = {colour.r + gloss, colour.g + gloss, colour.b + gloss};
    pixel = mix(pixel, colour, 0.9f * alpha);
  });
  if (open > 0.0f) {
    const auto gap_top = [&](float u) { return middle(u) - 0.35f * open * inside(u); };
    const auto gap_low = [&](float u) { return middle(u) + 0.65f * open * inside(u); };
    const auto gap = [&](float x, float y) {
      const float u = in_range(x) / 0.9f;
      return std::abs(u) >= 1.0f ? 0.0f : canvas.edge(std::min(y - gap_top(u), gap_low(u) - y));
    };
    canvas.paint(c.x, c.y, width, Rgb{0.20f, 0.07f, 0.07f}, gap);
    canvas.paint(c.x, c.y, width, Rgb{0.90f, 0.87f, 0.82f} * std::min(1.0f, light), [&](float x, float y) {
      const float u = in_range(x) / 0.9f;
      return gap(x, y) * canvas.edge(gap_top(u) + 0.45f * open - y);
    });
  } else {
    canvas.paint(c.x, c.y, width + 0.1f, f.lips * (0.42f * light), [&](float x, float y) {
      const float u = in_range(x);
      return std::abs(u) >= 1.03f ? 0.0f : 0.85f * canvas.edge(0.009f - std::abs(y - middle(u)));
    });
  }
  canvas.shade(c.x, low_lip(0) + 0.05f, 0.3f, -0.16f, [&](float x, float y) {
    return bump(x - c.x, y - low_lip(0) - 0.045f, 0.55f * width, 0.03f);
  });
  // Folds from the nose to the corners, deeper with a smile.
  for (float side : {-1.0f, 1.0f}) {
    const float depth = -0.10f - 0.12f * std::max(0.0f, p.smile);
    canvas.shade(c.x + side * width, c.y - 0.12f, 0.4f, depth, [&](float x, float y) {
      const float t = clamp01((y - (c.y - 0.28f)) / 0.30f);
      const float line = c.x + side * (0.16f + (width + 0.05f - 0.16f) * t);
      return bump(x - line, 0.0f, 0.022f, 1.0f) * smooth_step(0, 0.25f, t) *
             (1.0f - smooth_step(0.7f, 1.0f, t));
    });
  }
}

void paint_beard(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  const Turned mouth = pose.place(0, f.mouth_y, 0.06f);
  const Rgb colour = f.hair * (0.9f * light_on(p, 0, 0.3f, 0.9f));
  const auto strands = [&](float x, float y) {
    return 0.65f + 0.35f * value_noise(f.texture + 3, 45.0f * x, 25.0f * y);
  };
  if (f.beard > 0.0f) {
    canvas.paint(mouth.x, mouth.y, 1.0f, colour, [&](float x, float y) {
      const float inside = canvas.edge(outline_distance(f, pose, x, y, 0.01f));
      const float dx = (x - mouth.x) / (f.half_width * 0.98f);
      const float below = smooth_step(0.42f - 0.62f * dx * dx, 0.66f - 0.62f * dx * dx, y);
      const float lips = bump(x - mouth.x, y - mouth.y, 1.1f * f.mouth_width, 0.12f);
      return f.beard * inside * below * (1.0f - clamp01(1.3f * lips)) * strands(x, y);
    });
  }
  if (f.moustache > 0.0f) {
    const float y0 = mouth.y - f.upper_lip - 0.055f;
    canvas.paint(mouth.x, y0, 0.5f, colour, [&](float x, float y) {
      const float dx = x - mouth.x;
      return f.moustache *
             clamp01(1.35f * bump(dx, y - y0 - 0.35f * dx * dx, 0.85f * f.mouth_width, 0.042f) - 0.2f) *
             strands(x, y);
    });
  }
}

void paint_marks(Canvas& canvas, const FaceIdentity& f, const HeadPose& pose) {
  RandomStream random(f.texture, RandomPurpose::kSynthIdentity);
  for (int i = 0; i < f.marks; ++i) {
    const auto x = static_cast<float>(random.uniform(-0.6, 0.6)),
               y = static_cast<float>(random.uniform(-0.45, 0.8));
    const auto size = static_cast<float>(random.uniform(0.014, 0.024));
    const Turned c = pose.place(x, y, 0.0f);
    canvas.shade(c.x, c.y, 0.08f, -0.5f,
                 [&](float px, float py) { return bump(px - c.x, py - c.y, size, size); });
  }
  if (f.freckles > 0.0f) {
    for (int i = 0; i < 46; ++i) {
      const auto x = static_cast<float>(random.uniform(-0.5, 0.5)),
                 y = static_cast<float>(random.uniform(0.0, 0.38));
      const auto size = static_cast<float>(random.uniform(0.010, 0.020));
      const Turned c = pose.place(x, y, 0.0f);
      canvas.shade(c.x, c.y, 0.06f, -0.28f * f.freckles,
                   [&](float px, float py) { return bump(px - c.x, py - c.y, size, size); });
    }
  }
  if (f.mole) {
    const Turned c = pose.place(f.mole_x, f.mole_y, 0.0f);
    canvas.shade(c.x, c.y, 0.08f, -0.60f,
                 [&](float px, float py) { return bump(px - c.x, py - c.y, 0.022f, 0.022f); });
  }
}

}  // namespace

void paint_features(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  for (float side : {-1.0f, 1.0f}) {
    // Cheek bones: bright above, dark below.
    const Turned cheek = pose.place(side * 0.47f, 0.20f, 0.0f);
    const float facing = clamp01(0.5f + 0.5f * side * p.light[0]);
    canvas.shade(cheek.x, cheek.y, 0.5f, 0.10f * facing * f.cheek,
                 [&](float x, float y) { return bump(x - cheek.x, y - cheek.y, 0.17f, 0.12f); });
    canvas.shade(cheek.x, cheek.y + 0.25f, 0.5f, -0.13f * f.cheek,
                 [&](float x, float y) { return bump(x - cheek.x, y - cheek.y - 0.26f, 0.13f, 0.13f); });
  }
  paint_marks(canvas, f, pose);
  paint_beard(canvas, f, p, pose);
  paint_nose(canvas, f, p, pose);
  paint_mouth(canvas, f, p, pose);
  for (float side : {-1.0f, 1.0f}) {
    paint_eye(canvas, f, p, pose, side);
    paint_brow(canvas, f, p, pose, side);
  }
}

void paint_glasses(Canvas& canvas, const FaceIdentity& f, const FacePicture& p, const HeadPose& pose) {
  if (!f.glasses) return;
  const Rgb colour = f.glasses_colour * (0.6f + 0.6f * light_on(p, 0, 0, 1));
  const float y0 = f.eye_y + 0.03f;
  Turned lens[2];
  for (int i = 0; i < 2; ++i) {
    const float side = i == 0 ? -1.0f : 1.0f;
    lens[i] = pose.place(side * (f.eye_x + 0.01f), y0, 0.12f);
    const Turned c = lens[i];
    const float width = f.glasses_size * pose.narrow() * (1.0f - 0.2f * side * pose.sin_yaw()),
                height = 0.80f * f.glasses_size;
    canvas.paint(c.x, c.y, 0.4f, colour, [&](float x, float y) {
      const float u = std::abs(x - c.x) / width, v = std::abs(y - c.y) / height;
      const float r =
          std::pow(std::pow(u, f.glasses_round) + std::pow(v, f.glasses_round), 1.0f / f.glasses_round);
      return canvas.edge(0.017f - std::abs(1.0f - r) * height);
    });
    const Turned temple = pose.place(side * f.half_width * 0.98f, y0 - 0.04f, 0.0f);
    const float from = c.x + side * width, to = temple.x;
    canvas.paint(0.5f * (from + to), c.y, 0.4f, colour, [&](float x, float y) {
      const bool between = (x - from) * side > 0 && (x - to) * side < 0;
      return between ? canvas.edge(0.014f - std::abs(y - c.y + 0.05f)) : 0.0f;
    });
  }
  const float bridge_y = 0.5f * (lens[0].y + lens[1].y) - 0.04f;
  const float left = lens[0].x + f.glasses_size * 0.93f * pose.narrow(),
              right = lens[1].x - f.glasses_size * 0.93f * pose.narrow();
  canvas.paint(0.5f * (left + right), bridge_y, 0.3f, colour, [&](float x, float y) {
    if (x < left || x > right) return 0.0f;
    const float t = (x - left) / (right - left + 1e-3f) * 2.0f - 1.0f;
    return canvas.edge(0.013f - std::abs(y - bridge_y + 0.035f * (1.0f - t * t)));
  });
}

}  // namespace qcface::synth
