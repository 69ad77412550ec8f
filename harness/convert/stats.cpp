#include "harness/convert/stats.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/checksum.h"
#include "core/error.h"
#include "harness/console/progress.h"
#include "harness/convert/in_order.h"
#include "harness/data/loader.h"
#include "harness/data/picture_pipeline.h"

namespace qcface::convert {
namespace {

struct Sums {
  std::array<std::uint64_t, 3> sum{}, square{};

  void add(const std::uint8_t* pixels, std::size_t count) {
    std::array<std::uint64_t, 3> s{}, q{};
    for (std::size_t i = 0; i < 3 * count; i += 3) {
      for (std::size_t c = 0; c < 3; ++c) {
        const std::uint32_t v = pixels[i + c];
        s[c] += v;
        q[c] += v * v;
      }
    }
    for (std::size_t c = 0; c < 3; ++c) {
      sum[c] += s[c];
      square[c] += q[c];
    }
  }
};

struct Measured {
  ContentHash hash;
  Sums sums;
  int height = 0, width = 0;
  std::string reason;
  bool read = false;
};

class Measurer {
 public:
  Measurer(const data::PictureSource& set, const data::LoaderOptions& loader)
      : set_(set),
        pixels_(static_cast<std::size_t>(loader.side) * static_cast<std::size_t>(loader.side)),
        cut_(3 * pixels_),
        pipeline_(loader) {}

  void operator()(std::int64_t index, Measured& item) {
    item.reason.clear();
    data::StoredPicture stored;
    data::DecodeResult result = set_.read(index, file_, stored);
    item.read = result.ok();
    if (!item.read) {
      item.reason = std::move(result.reason);
      return;
    }
    item.hash = content_hash(stored.bytes);
    const data::PictureOutcome outcome = pipeline_.prepare(stored, {}, cut_.data());
    item.reason = outcome.reason;
    item.height = outcome.height;
    item.width = outcome.width;
    item.sums = {};
    if (item.reason.empty()) item.sums.add(cut_.data(), pixels_);
  }

 private:
  const data::PictureSource& set_;
  const std::size_t pixels_;
  std::vector<std::uint8_t> file_, cut_;
  data::PicturePipeline pipeline_;
};

struct Hashed {
  ContentHash hash;
  std::int64_t index = 0;
};

std::vector<Duplicates> find_duplicates(const data::PictureSource& set, std::vector<Hashed>& hashed) {
  std::sort(hashed.begin(), hashed.end(), [](const Hashed& a, const Hashed& b) {
    return std::tie(a.hash, a.index) < std::tie(b.hash, b.index);
  });
  std::vector<Duplicates> groups;
  for (std::size_t begin = 0, end = 0; begin < hashed.size(); begin = end) {
    end = begin + 1;
    while (end < hashed.size() && hashed[end].hash == hashed[begin].hash) ++end;
    if (end - begin == 1) continue;
    Duplicates& group = groups.emplace_back();
    for (std::size_t i = begin; i < end; ++i) {
      group.pictures.push_back(hashed[i].index);
      group.across = group.across || set.label(hashed[i].index) != set.label(hashed[begin].index);
    }
  }
  std::sort(groups.begin(), groups.end(),
            [](const Duplicates& a, const Duplicates& b) { return a.pictures.front() < b.pictures.front(); });
  return groups;
}

Spread spread_of(std::vector<std::int64_t> counts) {
  Spread spread;
  std::sort(counts.begin(), counts.end());
  counts.erase(counts.begin(),
               std::find_if(counts.begin(), counts.end(), [](std::int64_t n) { return n > 0; }));
  if (counts.empty()) return spread;
  const std::size_t n = counts.size();
  spread.count = static_cast<std::int64_t>(n);
  spread.least = counts.front();
  spread.most = counts.back();
  double sum = 0;
  for (const std::int64_t count : counts) sum += static_cast<double>(count);
  spread.mean = sum / static_cast<double>(n);
  spread.median = static_cast<double>(counts[(n - 1) / 2] + counts[n / 2]) / 2;
  return spread;
}

}  // namespace

SetStats collect_stats(const data::PictureSource& set, const StatsOptions& options) {
  require(set.size() > 0, "the data set holds no pictures");
  SetStats stats;
  stats.pictures = set.size();
  stats.per_class.resize(static_cast<std::size_t>(set.num_classes()));
  std::vector<Hashed> hashed;
  hashed.reserve(static_cast<std::size_t>(set.size()));
  Sums sums;
  data::LoaderOptions loader;
  loader.side = options.side;
  Progress progress("looking at", static_cast<std::size_t>(set.size()), "pictures");
  for_each_in_order<Measured>(
      0, set.size(), options.threads, [&] { return Measurer(set, loader); },
      [&](std::int64_t index, Measured& item) {
        if (index % 64 == 63) progress.update(static_cast<std::size_t>(index + 1));
        ++stats.per_class[static_cast<std::size_t>(set.label(index))];
        if (item.read) hashed.push_back({item.hash, index});
        if (!item.reason.empty()) {
          stats.unusable.push_back({index, item.reason});
          return;
        }
        ++stats.used;
        ++stats.sizes[{item.width, item.height}];
        for (std::size_t c = 0; c < 3; ++c) {
          sums.sum[c] += item.sums.sum[c];
          sums.square[c] += item.sums.square[c];
        }
      });
  progress.clear();
  require(stats.used > 0, "not one of {} pictures can be used, for example {} ({})", set.size(), set.name(0),
          stats.unusable.empty() ? "" : stats.unusable.front().reason);
  const double n = static_cast<double>(stats.used) * options.side * options.side;
  for (std::size_t c = 0; c < 3; ++c) {
    const double mean = static_cast<double>(sums.sum[c]) / n,
                 square = static_cast<double>(sums.square[c]) / n;
    stats.mean[c] = mean / 255;
    stats.std[c] = std::sqrt(std::max(square - mean * mean, 0.0)) / 255;
  }
  stats.classes = spread_of(stats.per_class);
  stats.single = std::count(stats.per_class.begin(), stats.per_class.end(), 1);
  stats.duplicates = find_duplicates(set, hashed);
  return stats;
}

std::vector<Bin> class_histogram(const SetStats& stats) {
  std::vector<Bin> bins;
  for (std::int64_t low = 1; low <= stats.classes.most; low *= 2) {
    Bin& bin = bins.emplace_back(Bin{low, 2 * low - 1, 0});
    for (const std::int64_t count : stats.per_class)
      bin.classes += count >= bin.low && count <= bin.high ? 1 : 0;
  }
  return bins;
}

}  // namespace qcface::convert
