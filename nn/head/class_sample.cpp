#include "nn/head/class_sample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace qcface::nn {

std::int64_t class_sample_size(std::int64_t own, double rate, std::int64_t largest) {
  const auto share = static_cast<std::int64_t>(std::ceil(rate * static_cast<double>(own)));
  return std::min(own, std::max(share, largest));
}

void sample_classes(const ClassDraw& draw, const Share& own, std::span<const std::int64_t> labels,
                    std::span<std::int64_t> rows) {
  std::vector<std::int64_t> positives;
  for (const std::int64_t label : labels) {
    if (label >= own.first && label < own.first + own.count) positives.push_back(label - own.first);
  }
  std::sort(positives.begin(), positives.end());
  positives.erase(std::unique(positives.begin(), positives.end()), positives.end());
  const auto found = static_cast<std::int64_t>(positives.size()),
             runs = static_cast<std::int64_t>(rows.size()) - found, others = own.count - found;
  require(runs >= 0 && runs <= others, "{} classes are to take part, {} of {} are those of the labels",
          rows.size(), found, own.count);

  RandomStream random(draw.seed, RandomPurpose::kClassSample, draw.epoch,
                      draw.batch ^ static_cast<std::uint64_t>(own.first) << 32);
  std::size_t place = 0, next = 0;  // next: of the positives
  for (std::int64_t run = 0; run < runs; ++run) {
    const Share classes = share_of(others, static_cast<int>(run), static_cast<int>(runs));
    const auto other =
        classes.first + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(classes.count)));
    // The other-th class that is no positive lies behind the positives before it.
    for (; next < positives.size() && positives[next] <= other + static_cast<std::int64_t>(next); ++next)
      rows[place++] = positives[next];
    rows[place++] = other + static_cast<std::int64_t>(next);
  }
  for (; next < positives.size(); ++next) rows[place++] = positives[next];
}

}  // namespace qcface::nn
