#include "harness/data/augment/degrade.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <string>

#include "core/error.h"
#include "core/random.h"
#include "harness/data/decode/jpeg.h"

namespace qcface::data {
namespace {

struct Study {
  Degradation kind;
  std::string_view name;
  std::array<double, 7> levels;
};

constexpr std::array<Study, 6> kStudies{{
    {Degradation::kBlur, "blur", {0, 0.7, 1.2, 1.8, 2.5, 3.5, 5}},
    {Degradation::kDownUp, "downup", {0, 1.5, 2, 3, 4, 6, 8}},
    {Degradation::kNoise, "noise", {0, 6, 12, 20, 30, 45, 60}},
    {Degradation::kJpeg, "jpeg", {0, 50, 70, 80, 88, 93, 97}},
    {Degradation::kOcclusion, "occlusion", {0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.5}},
    {Degradation::kBrightness, "brightness", {0, 25, 50, 75, 100, 125, 150}},
}};

const Study& study_of(Degradation kind) {
  for (const Study& study : kStudies) {
    if (study.kind == kind) return study;
  }
  fail("degradation {}: unknown", static_cast<int>(kind));
}

cv::Mat view(Image& image) { return {image.height(), image.width(), CV_8UC3, image.data()}; }

void down_up(Image& image, double factor) {
  const auto shrunk = [factor](int side) {
    return std::max(1, static_cast<int>(std::lround(side / factor)));
  };
  cv::Mat target = view(image), small;
  cv::resize(target, small, {shrunk(image.width()), shrunk(image.height())}, 0, 0, cv::INTER_AREA);
  cv::resize(small, target, target.size(), 0, 0, cv::INTER_CUBIC);
}

void add_noise(Image& image, double sigma, RandomStream& random) {
  for (std::size_t i = 0; i < image.bytes(); ++i) {
    const double v = image.data()[i] + sigma * random.normal();
    image.data()[i] = static_cast<std::uint8_t>(std::clamp(v, 0.0, 255.0) + 0.5);
  }
}

// A rectangle of fixed place and proportions that grows with the level.
void occlude(Image& image, double share, RandomStream& random) {
  const double proportion = random.uniform(0.6, 1.6);
  const double x0 = random.uniform(), y0 = random.uniform();
  const auto grey = static_cast<std::uint8_t>(random.integer(70, 180));
  const double area = share * image.width() * image.height();
  const int width = std::clamp(static_cast<int>(std::lround(std::sqrt(area * proportion))), 1, image.width());
  const int height = std::clamp(static_cast<int>(std::lround(area / width)), 1, image.height());
  const int left = static_cast<int>(x0 * (image.width() - width)),
            top = static_cast<int>(y0 * (image.height() - height));
  for (int y = top; y < top + height; ++y) std::fill_n(image.row(y) + 3 * left, 3 * width, grey);
}

}  // namespace

std::string_view name_of(Degradation kind) { return study_of(kind).name; }

Degradation degradation_from_name(std::string_view name) {
  std::string known;
  for (const Study& study : kStudies) {
    if (study.name == name) return study.kind;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", study.name);
  }
  fail("degradation '{}': expected one of {}", name, known);
}

std::span<const double> study_levels(Degradation kind) { return study_of(kind).levels; }

void degrade(const Image& in, Degradation kind, double level, std::uint64_t seed, std::uint64_t index,
             Image& out) {
  require(level >= 0.0, "degradation {}: level {} is negative", name_of(kind), level);
  if (&in != &out) out.copy_from(in);
  if (level == 0.0 || out.bytes() == 0) return;
  RandomStream random(seed, RandomPurpose::kDegrade, static_cast<std::uint32_t>(kind), index);
  switch (kind) {
    case Degradation::kBlur: {
      cv::Mat target = view(out);
      cv::GaussianBlur(target, target, {0, 0}, level, level, cv::BORDER_REPLICATE);
      break;
    }
    case Degradation::kDownUp:
      if (level > 1.0) down_up(out, level);
      break;
    case Degradation::kNoise:
      add_noise(out, level, random);
      break;
    case Degradation::kJpeg: {
      require(level <= 99.0, "degradation jpeg: level {} is more than 99", level);
      JpegCodec codec;
      codec.round_trip(out, static_cast<int>(std::lround(100.0 - level)), false);
      break;
    }
    case Degradation::kOcclusion:
      occlude(out, std::min(level, 1.0), random);
      break;
    case Degradation::kBrightness:
      for (std::size_t i = 0; i < out.bytes(); ++i) {
        out.data()[i] = static_cast<std::uint8_t>(std::max(0.0, out.data()[i] - level) + 0.5);
      }
      break;
  }
}

}  // namespace qcface::data
