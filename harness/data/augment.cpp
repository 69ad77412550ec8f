#include "harness/data/augment.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "harness/data/border.h"
#include "harness/data/clahe.h"
#include "harness/data/jpeg.h"
#include "harness/data/lab.h"
#include "harness/data/pixel_ops.h"
#include "harness/data/tone_tables.h"
#include "harness/data/turn.h"

namespace qcface::data {
namespace {

constexpr double kProbability = 0.5;
constexpr int kGammaLow = 80, kGammaHigh = 120;
constexpr int kQualityLow = 20, kQualityHigh = 100;

// Gamma takes 41 values: their tables cost 256 powers each, so they are made once.
const ToneTable& cached_gamma_table(int percent) {
  static const auto tables = [] {
    std::array<ToneTable, kGammaHigh - kGammaLow + 1> made;
    for (int p = kGammaLow; p <= kGammaHigh; ++p)
      made[static_cast<std::size_t>(p - kGammaLow)] = gamma_table(p / 100.0);
    return made;
  }();
  return tables[static_cast<std::size_t>(percent - kGammaLow)];
}

bool valid_window(int size) { return size == 0 || size == 3 || size == 5 || size == 7; }

void check(const AugmentPlan& plan) {
  require(plan.quarter_turns >= 0 && plan.quarter_turns <= 3,
          "augmentation: {} quarter turns, expected 0 to 3", plan.quarter_turns);
  require(valid_window(plan.blur), "augmentation: blur size {}, expected 0, 3, 5 or 7", plan.blur);
  require(valid_window(plan.median), "augmentation: median size {}, expected 0, 3, 5 or 7", plan.median);
  require(plan.clahe_clip >= 0.0, "augmentation: CLAHE limit {}, expected 0 (off) or more", plan.clahe_clip);
  require(plan.gamma_percent == 0 || (plan.gamma_percent >= kGammaLow && plan.gamma_percent <= kGammaHigh),
          "augmentation: gamma of {} %, expected 0 (off) or {} to {}", plan.gamma_percent, kGammaLow,
          kGammaHigh);
  require(plan.jpeg_quality >= 0 && plan.jpeg_quality <= 100,
          "augmentation: JPEG quality {}, expected 0 (off) to 100", plan.jpeg_quality);
}

}  // namespace

AugmentPlan draw_augmentation(std::uint64_t seed, std::uint32_t epoch, std::uint64_t dataset_index) {
  RandomStream random(seed, RandomPurpose::kAugment, epoch, dataset_index);
  AugmentPlan plan;
  const auto on = [&random](auto value, auto off) { return random.coin(kProbability) ? value : off; };
  const auto window = [&random] { return 3 + 2 * random.integer(0, 2); };
  // Parameter first, coin second, for every step: argument order of a call is not defined, hence the names.
  const int turns = random.integer(0, 3);
  plan.quarter_turns = on(turns, 0);
  plan.flip_columns = random.coin(kProbability);
  plan.flip_rows = random.coin(kProbability);
  const int blur = window();
  plan.blur = on(blur, 0);
  const int median = window();
  plan.median = on(median, 0);
  const double clip = random.uniform(1.0, 4.0);
  plan.clahe_clip = on(clip, 0.0);
  plan.alpha = 1.0 + random.uniform(-0.2, 0.2);
  plan.beta = random.uniform(-0.2, 0.2);
  plan.brightness_contrast = random.coin(kProbability);
  const int gamma = random.integer(kGammaLow, kGammaHigh);
  plan.gamma_percent = on(gamma, 0);
  plan.jpeg_quality = random.integer(kQualityLow, kQualityHigh);
  return plan;
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
  static void tone(const AugmentPlan& plan, Image& image) {
    if (plan.brightness_contrast && plan.gamma_percent != 0) {
      data::apply(
          compose(brightness_contrast_table(plan.alpha, plan.beta), cached_gamma_table(plan.gamma_percent)),
          image);
    } else if (plan.brightness_contrast) {
      data::apply(brightness_contrast_table(plan.alpha, plan.beta), image);
    } else if (plan.gamma_percent != 0) {
      data::apply(cached_gamma_table(plan.gamma_percent), image);
    }
  }
};

Augmenter::Augmenter(bool jpeg_swap_rb) : impl_(std::make_unique<Impl>()) {
  impl_->jpeg_swap_rb = jpeg_swap_rb;
}
Augmenter::~Augmenter() = default;
Augmenter::Augmenter(Augmenter&&) noexcept = default;
Augmenter& Augmenter::operator=(Augmenter&&) noexcept = default;

void Augmenter::apply(const AugmentPlan& plan, Image& image) {
  check(plan);
  if (image.bytes() == 0) return;
  Impl& impl = *impl_;
  Turn::quarter_turns_then_flips(plan.quarter_turns, plan.flip_columns, plan.flip_rows)
      .apply(image, impl.scratch);
  if (plan.blur != 0) impl.box(image, plan.blur);
  if (plan.median != 0) impl.median(image, plan.median);
  if (plan.clahe_clip > 0.0) impl.equalise(image, plan.clahe_clip);
  Impl::tone(plan, image);
  if (plan.jpeg_quality != 0) impl.jpeg.round_trip(image, plan.jpeg_quality, impl.jpeg_swap_rb);
}

}  // namespace qcface::data
