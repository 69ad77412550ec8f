// The parts of the loader that are pure functions of the set: the order of an epoch, and the colour check.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/random.h"
#include "harness/console/interrupt.h"
#include "harness/data/image.h"
#include "harness/data/loader.h"

namespace qcface::data {

EpochPlan::EpochPlan(std::span<const PicturePart> parts, std::span<const double> weights) {
  require(weights.empty() || weights.size() == parts.size(),
          "{} weights for {} data sets: expected one a set", weights.size(), parts.size());
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const double weight = weights.empty() ? 1.0 : weights[p];
    require(weight > 0 && weight <= kLargestDataWeight,
            "weight {} of {}: expected more than 0 and at most {}", weight, parts[p].what,
            kLargestDataWeight);
    const double whole = std::floor(weight);
    const auto rest = std::llround((weight - whole) * static_cast<double>(parts[p].size));
    parts_.push_back({pictures_, parts[p].size, static_cast<std::int64_t>(whole), rest});
    pictures_ += parts[p].size;
    size_ += shown(p);
  }
  require(pictures_ > 0, "data loader: the set holds no pictures");
  require(size_ > 0, "an epoch shows no picture: the data sets are too small for their weights");
}

std::int64_t EpochPlan::shown(std::size_t part) const {
  const Part& p = parts_[part];
  return p.passes * p.count + p.rest;
}

std::vector<std::int64_t> EpochPlan::order(std::uint64_t seed, std::int64_t epoch, bool shuffle) const {
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(size_));
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const Part& part = parts_[p];
    for (std::int64_t pass = 0; pass < part.passes; ++pass) {
      for (std::int64_t i = 0; i < part.count; ++i) order.push_back(pass * pictures_ + part.first + i);
    }
    // Each picture is taken with the share of those still to be taken among those still to come (Knuth's algorithm S).
    RandomStream random(seed, RandomPurpose::kSubset, static_cast<std::uint32_t>(epoch), p);
    std::int64_t wanted = part.rest;
    for (std::int64_t i = 0; wanted > 0; ++i) {
      if (random.below(static_cast<std::uint64_t>(part.count - i)) >= static_cast<std::uint64_t>(wanted))
        continue;
      order.push_back(part.passes * pictures_ + part.first + i);
      --wanted;
    }
  }
  if (!shuffle) return order;
  RandomStream random(seed, RandomPurpose::kShuffle, static_cast<std::uint32_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

std::vector<std::int64_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch,
                                      bool shuffle) {
  const PicturePart part{.what = "pictures", .size = size};
  return EpochPlan({&part, 1}, {}).order(seed, epoch, shuffle);
}

ColourCheck check_colour_order(const PictureSource& set, bool swap_rb, std::int64_t sample) {
  ColourCheck check;
  ImageDecoder decoder;
  Image image;
  std::vector<std::uint8_t> file;
  StoredPicture stored;
  const std::int64_t count = std::min(sample, set.size());
  double colourfulness = 0.0;  // mean of max - min over the channels
  for (std::int64_t i = 0; i < count; ++i) {
    stop_if_interrupted();
    if (i % 32 == 0) set.give_back_pages();
    if (!set.read(i * set.size() / count, file, stored).ok()) continue;
    if (!decoder.decode(stored, image).ok() || image.bytes() == 0) continue;
    std::array<std::int64_t, 3> sum{};
    std::int64_t spread = 0;
    const std::uint8_t* const end = image.data() + image.bytes();
    for (const std::uint8_t* pixel = image.data(); pixel != end; pixel += 3) {
      for (std::size_t c = 0; c < 3; ++c) sum[c] += pixel[c];
      spread += std::max({pixel[0], pixel[1], pixel[2]}) - std::min({pixel[0], pixel[1], pixel[2]});
    }
    const double pixels = static_cast<double>(image.bytes()) / 3.0;
    for (std::size_t c = 0; c < 3; ++c) check.mean[c] += static_cast<double>(sum[c]) / pixels;
    colourfulness += static_cast<double>(spread) / pixels;
    ++check.pictures;
  }
  if (check.pictures == 0) return check;
  for (double& mean : check.mean) mean /= static_cast<double>(check.pictures);
  if (swap_rb) std::swap(check.mean[0], check.mean[2]);
  colourfulness /= static_cast<double>(check.pictures);
  constexpr double kGreyBelow = 2.0;  // 8-bit steps; JPEG noise on grey pictures stays under one
  check.grey = colourfulness < kGreyBelow;
  const auto [r, g, b] = check.mean;
  if (!check.grey && !(r > g && g > b)) {
    check.warning = fmt::format(
        "mean colour of {} sampled pictures is R {:.1f} G {:.1f} B {:.1f}; face sets have R > G > B. If red "
        "and blue are "
        "exchanged in these files, use --swap-rb",
        check.pictures, r, g, b);
  }
  return check;
}

}  // namespace qcface::data
