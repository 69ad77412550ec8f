#include "harness/data/augment/picture_augmenter.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/random.h"
#include "harness/data/augment/degrade.h"

namespace qcface::data {
namespace {

using Values = StepInfo::Values;

// Uniform over the step's range; u in [0, 1). Without rejection, so that every value takes one number of the stream.
double value_of(const AugmentStep& step, double u) {
  const Values values = info_of(step.kind).values;
  if (values == Values::kReal) return step.low + (step.high - step.low) * u;
  const double apart = values == Values::kOdd ? 2 : 1;
  return std::min(step.high, step.low + apart * std::floor(u * ((step.high - step.low) / apart + 1)));
}

// Parts of a published draw that can be told apart. Flips and turn are one movement of pixels, brightness-contrast and
// gamma one table.
struct PublishedPart {
  const char* name;
  void (*take)(const AugmentDraw& from, AugmentDraw& part);
};
constexpr PublishedPart kPublishedParts[] = {
    {"turn, flips",
     [](const AugmentDraw& from, AugmentDraw& part) {
       part.quarter_turns = from.quarter_turns;
       part.flip_columns = from.flip_columns;
       part.flip_rows = from.flip_rows;
     }},
    {"blur", [](const AugmentDraw& from, AugmentDraw& part) { part.blur = from.blur; }},
    {"median", [](const AugmentDraw& from, AugmentDraw& part) { part.median = from.median; }},
    {"CLAHE", [](const AugmentDraw& from, AugmentDraw& part) { part.clahe_clip = from.clahe_clip; }},
    {"tone",
     [](const AugmentDraw& from, AugmentDraw& part) {
       part.brightness_contrast = from.brightness_contrast;
       part.alpha = from.alpha;
       part.beta = from.beta;
       part.gamma_percent = from.gamma_percent;
     }},
    {"JPEG", [](const AugmentDraw& from, AugmentDraw& part) { part.jpeg_quality = from.jpeg_quality; }},
};

bool does_something(const AugmentDraw& d) {
  return d.quarter_turns != 0 || d.flip_columns || d.flip_rows || d.blur != 0 || d.median != 0 ||
         d.clahe_clip > 0 || d.brightness_contrast || d.gamma_percent != 0 || d.jpeg_quality != 0;
}

}  // namespace

StepDraw draw_step(const AugmentStep& step, std::uint64_t seed, std::uint32_t epoch, std::uint64_t entry,
                   std::size_t position) {
  RandomStream random(seed, RandomPurpose::kAugmentStep, epoch, entry);
  random.go_to_block(static_cast<std::uint32_t>(2 * position));
  StepDraw draw;
  draw.on = random.coin(step.probability);
  draw.value = value_of(step, random.uniform());
  draw.second = value_of(step, random.uniform());
  draw.stream = random.next_u64();
  return draw;
}

PictureAugmenter::PictureAugmenter(Augmentation augmentation, std::uint64_t seed, bool jpeg_swap_rb)
    : augmentation_(std::move(augmentation)),
      seed_(seed),
      augmenter_(jpeg_swap_rb && augmentation_.mode == AugmentMode::kPublished) {}

void PictureAugmenter::apply(std::uint32_t epoch, std::uint64_t entry, Image& image) {
  if (augmentation_.mode == AugmentMode::kPublished) {
    augmenter_.apply(draw_augmentation(seed_, epoch, entry), image);
    return;
  }
  for (std::size_t s = 0; s < augmentation_.steps.size(); ++s) {
    const AugmentStep& step = augmentation_.steps[s];
    if (const StepDraw draw = draw_step(step, seed_, epoch, entry, s); draw.on) apply_step(step, draw, image);
  }
}

std::vector<std::string> PictureAugmenter::step_names() const {
  std::vector<std::string> names;
  if (augmentation_.mode == AugmentMode::kPublished) {
    for (const PublishedPart& part : kPublishedParts) names.emplace_back(part.name);
  }
  for (const AugmentStep& step : augmentation_.steps) names.push_back(text_of(step));
  return names;
}

void PictureAugmenter::apply_in_steps(std::uint32_t epoch, std::uint64_t entry, Image& image,
                                      const Around& around) {
  if (augmentation_.mode == AugmentMode::kPublished) {
    const AugmentDraw draw = draw_augmentation(seed_, epoch, entry);
    for (std::size_t p = 0; p < std::size(kPublishedParts); ++p) {
      AugmentDraw part;
      kPublishedParts[p].take(draw, part);
      if (does_something(part)) around(p, [&] { augmenter_.apply(part, image); });
    }
    return;
  }
  for (std::size_t s = 0; s < augmentation_.steps.size(); ++s) {
    const AugmentStep& step = augmentation_.steps[s];
    const StepDraw draw = draw_step(step, seed_, epoch, entry, s);
    if (draw.on) around(s, [&] { apply_step(step, draw, image); });
  }
}

void PictureAugmenter::apply_step(const AugmentStep& step, const StepDraw& draw, Image& image) {
  const auto degraded = [&](Degradation kind) { degrade(image, kind, draw.value, draw.stream, 0, image); };
  const int whole = static_cast<int>(draw.value);
  AugmentDraw published;  // with one of its steps
  switch (step.kind) {
    case StepKind::kTurn:
      published.quarter_turns = whole;
      break;
    case StepKind::kHflip:
      published.flip_columns = true;
      break;
    case StepKind::kVflip:
      published.flip_rows = true;
      break;
    case StepKind::kBox:
      published.blur = whole;
      break;
    case StepKind::kMedian:
      published.median = whole;
      break;
    case StepKind::kClahe:
      published.clahe_clip = draw.value;
      break;
    case StepKind::kTone:
      published.brightness_contrast = true;
      published.alpha = 1.0 + draw.value;
      published.beta = draw.second;
      break;
    case StepKind::kGamma:
      published.gamma_percent = whole;
      break;
    case StepKind::kJpeg:
      published.jpeg_quality = whole;
      break;
    case StepKind::kBlur:
      return degraded(Degradation::kBlur);
    case StepKind::kDownUp:
      return degraded(Degradation::kDownUp);
    case StepKind::kNoise:
      return degraded(Degradation::kNoise);
    case StepKind::kOcclusion:
      return degraded(Degradation::kOcclusion);
    case StepKind::kBrightness:
      return degraded(Degradation::kBrightness);
  }
  augmenter_.apply(published, image);
}

}  // namespace qcface::data
