#include "harness/data/augment/augment.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "harness/data/augment/border.h"
#include "harness/data/augment/clahe.h"
#include "harness/data/augment/lab.h"
#include "harness/data/augment/pixel_ops.h"
#include "harness/data/augment/tone_tables.h"
#include "harness/data/decode/jpeg.h"
#include "harness/data/decode/turn.h"

namespace qcface::data {
namespace {

constexpr double kProbability = 0.5;
constexpr int kGammaLow = 80, kGammaHigh = 120;
constexpr int kQualityLow = 20, kQualityHigh = 100;

// A table costs 256 powers, so they are made once.
const ToneTable& cached_gamma_table(int percent) {
  static const auto tables = [] {
    std::array<ToneTable, kMostGammaPercent - kLeastGammaPercent + 1> made;
    for (int p = kLeastGammaPercent; p <= kMostGammaPercent; ++p)
      made[static_cast<std::size_t>(p - kLeastGammaPercent)] = gamma_table(p / 100.0);
    return made;
  }();
  return tables[static_cast<std::size_t>(percent - kLeastGammaPercent)];
}

bool valid_window(int size) { return size == 0 || size == 3 || size == 5 || size == 7; }

void check(const AugmentDraw& draw) {
  require(draw.quarter_turns >= 0 && draw.quarter_turns <= 3,
          "augmentation: {} quarter turns, expected 0 to 3", draw.quarter_turns);
  require(valid_window(draw.blur), "augmentation: blur size {}, expected 0, 3, 5 or 7", draw.blur);
  require(valid_window(draw.median), "augmentation: median size {}, expected 0, 3, 5 or 7", draw.median);
  require(draw.clahe_clip >= 0.0, "augmentation: CLAHE limit {}, expected 0 (off) or more", draw.clahe_clip);
  require(draw.gamma_percent == 0 ||
              (draw.gamma_percent >= kLeastGammaPercent && draw.gamma_percent <= kMostGammaPercent),
          "augmentation: gamma of {} %, expected 0 (off) or {} to {}", draw.gamma_percent, kLeastGammaPercent,
          kMostGammaPercent);
  require(draw.jpeg_quality >= 0 && draw.jpeg_quality <= 100,
          "augmentation: JPEG quality {}, expected 0 (off) to 100", draw.jpeg_quality);
}

}  // namespace

AugmentDraw draw_augmentation(std::uint64_t seed, std::uint32_t epoch, std::uint64_t dataset_index) {
  RandomStream random(seed, RandomPurpose::kAugment, epoch, dataset_index);
  AugmentDraw draw;
  const auto on = [&random](auto value, auto off) { return random.coin(kProbability) ? value : off; };
  const auto window = [&random] { return 3 + 2 * random.integer(0, 2); };
  // Parameter first, coin second, for every step: argument order of a call is not defined, hence the names.
  const int turns = random.integer(0, 3);
  draw.quarter_turns = on(turns, 0);
  draw.flip_columns = random.coin(kProbability);
  draw.flip_rows = random.coin(kProbability);
  const int blur = window();
  draw.blur = on(blur, 0);
  const int median = window();
  draw.median = on(median, 0);
  const double clip = random.uniform(1.0, 4.0);
  draw.clahe_clip = on(clip, 0.0);
  draw.alpha = 1.0 + random.uniform(-0.2, 0.2);
  draw.beta = random.uniform(-0.2, 0.2);
  draw.brightness_contrast = random.coin(kProbability);
  const int gamma = random.integer(kGammaLow, kGammaHigh);
  draw.gamma_percent = on(gamma, 0);
  draw.jpeg_quality = random.integer(kQualityLow, kQualityHigh);
  return draw;
}

struct Augmenter::Impl {
  bool jpeg_swap_rb = false;
  const PixelOps& ops = pixel_ops();
  JpegCodec jpeg;
  Clahe clahe;
  Image scratch;
  std::vector<std::uint8_t> padded, ranks, lab;
  std::vector<std::uint16_t> columns;

  void box(Image& image, int size) {
    const Padded in = pad(image, size / 2, Border::kMirror, padded);
    columns.resize(3 * static_cast<std::size_t>(image.width() + size) + Padded::kRowSlack);
    ops.box(in, size, columns.data(), image.data());
  }

  void median(Image& image, int size) {
    const Padded in = pad(image, size / 2, Border::kRepeat, padded);
    const std::size_t bytes = ops.median_scratch_bytes(size, image.width());
    if (ranks.size() < bytes) ranks.resize(bytes);
    ops.median(in, size, ranks.data(), image.data());
  }

  void equalise(Image& image, double clip) {
    const std::size_t pixels = image.bytes() / 3;
    if (lab.size() < 3 * pixels) lab.resize(3 * pixels);
    std::uint8_t *l = lab.data(), *a = l + pixels, *b = a + pixels;
    ops.rgb_to_lab(lab_tables(), image.data(), pixels, l, a, b);
    clahe.apply(l, image.height(), image.width(), clip);
    ops.lab_to_rgb(lab_tables(), l, a, b, pixels, image.data());
  }

  // Brightness-contrast, then gamma, as one table.
  static void tone(const AugmentDraw& draw, Image& image) {
    if (draw.brightness_contrast && draw.gamma_percent != 0) {
      data::apply(
          compose(brightness_contrast_table(draw.alpha, draw.beta), cached_gamma_table(draw.gamma_percent)),
          image);
    } else if (draw.brightness_contrast) {
      data::apply(brightness_contrast_table(draw.alpha, draw.beta), image);
    } else if (draw.gamma_percent != 0) {
      data::apply(cached_gamma_table(draw.gamma_percent), image);
    }
  }
};

Augmenter::Augmenter(bool jpeg_swap_rb) : impl_(std::make_unique<Impl>()) {
  impl_->jpeg_swap_rb = jpeg_swap_rb;
}
Augmenter::~Augmenter() = default;
Augmenter::Augmenter(Augmenter&&) noexcept = default;
Augmenter& Augmenter::operator=(Augmenter&&) noexcept = default;

void Augmenter::apply(const AugmentDraw& draw, Image& image) {
  check(draw);
  if (image.bytes() == 0) return;
  Impl& impl = *impl_;
  Turn::quarter_turns_then_flips(draw.quarter_turns, draw.flip_columns, draw.flip_rows)
      .apply(image, impl.scratch);
  if (draw.blur != 0) impl.box(image, draw.blur);
  if (draw.median != 0) impl.median(image, draw.median);
  if (draw.clahe_clip > 0.0) impl.equalise(image, draw.clahe_clip);
  Impl::tone(draw, image);
  if (draw.jpeg_quality != 0) impl.jpeg.round_trip(image, draw.jpeg_quality, impl.jpeg_swap_rb);
}

}  // namespace qcface::data
