#include "harness/eval/measures/templates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "harness/console/run_tasks.h"

namespace qcface::eval {
namespace {

double length_of(const std::vector<double>& x) {
  double part[8] = {};  // additions that need not wait for each other
  std::size_t d = 0;
  for (; d + 8 <= x.size(); d += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) part[lane] += x[d + lane] * x[d + lane];
  }
  double sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  for (; d < x.size(); ++d) sum += x[d] * x[d];
  return std::sqrt(sum);
}

// Vectors that become one, each added as it comes.
class Reducer {
 public:
  void begin(Reduce reduce, std::size_t width) {
    reduce_ = reduce;
    count_ = 0;
    lengths_ = squares_ = 0;
    sum_.assign(width, 0.0);
  }
  void add(const std::vector<double>& x) {
    double factor = 1;
    if (reduce_ == Reduce::kQuality || reduce_ == Reduce::kQuality1) {
      const double n = length_of(x);
      lengths_ += n;
      squares_ += n * n;
      if (reduce_ == Reduce::kQuality) factor = n;
    }
    for (std::size_t d = 0; d < x.size(); ++d) sum_[d] += factor * x[d];
    ++count_;
  }
  /// At least one was added.
  const std::vector<double>& end() {
    if (reduce_ == Reduce::kMean) {
      for (double& value : sum_) value /= static_cast<double>(count_);
    } else if (reduce_ != Reduce::kSum) {
      const double length = length_of(sum_);
      const double wanted = reduce_ == Reduce::kUnitMean ? 1.0 : lengths_ > 0 ? squares_ / lengths_ : 0.0;
      if (length > 0) {
        for (double& value : sum_) value = value / length * wanted;
      }
    }
    return sum_;
  }
  std::int64_t count() const { return count_; }

 private:
  Reduce reduce_ = Reduce::kMean;
  std::int64_t count_ = 0;
  double lengths_ = 0, squares_ = 0;
  std::vector<double> sum_;
};

struct Scratch {
  std::vector<double> picture;
  Reducer media, whole;
};

}  // namespace

std::string_view name_of(Reduce reduce) {
  static constexpr std::string_view kNames[] = {"mean", "sum", "Q", "q1", "unit"};
  return kNames[static_cast<std::size_t>(reduce)];
}

TemplateGroups group_templates(std::span<const std::int64_t> template_of_picture,
                               std::span<const std::int64_t> media_of_picture) {
  const std::size_t count = template_of_picture.size();
  require(media_of_picture.size() == count, "templates: {} pictures with a template, {} with a media", count,
          media_of_picture.size());
  require(count <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
          "templates: {} pictures are more than can be numbered", count);
  TemplateGroups groups;
  groups.pictures.resize(count);
  std::iota(groups.pictures.begin(), groups.pictures.end(), 0);
  const auto key = [&](std::int32_t row) {
    const auto i = static_cast<std::size_t>(row);
    return std::pair(template_of_picture[i], media_of_picture[i]);
  };
  std::sort(groups.pictures.begin(), groups.pictures.end(),
            [&](std::int32_t a, std::int32_t b) { return key(a) != key(b) ? key(a) < key(b) : a < b; });
  for (std::size_t i = 0; i < count; ++i) {
    const auto here = key(groups.pictures[i]);
    const bool first = i == 0 || key(groups.pictures[i - 1]).first != here.first;
    if (first) {
      groups.ids.push_back(here.first);
      groups.media_begin.push_back(groups.picture_begin.size());
    }
    if (first || key(groups.pictures[i - 1]).second != here.second) groups.picture_begin.push_back(i);
  }
  groups.media_begin.push_back(groups.picture_begin.size());
  groups.picture_begin.push_back(count);
  return groups;
}

PooledTemplates pool_templates(const nn::RowsView& pictures, const TemplateGroups& groups,
                               const Pooling& pooling, std::span<const float> weights,
                               std::span<const std::uint8_t> valid, int threads) {
  const auto count = static_cast<std::size_t>(pictures.count);
  require(groups.pictures.size() == count, "templates: {} rows for {} pictures", count,
          groups.pictures.size());
  require(weights.empty() || weights.size() == count, "templates: {} weights for {} pictures", weights.size(),
          count);
  require(valid.empty() || valid.size() == count, "templates: {} marks for {} pictures", valid.size(), count);
  const auto width = static_cast<std::size_t>(pictures.width);
  PooledTemplates pooled;
  pooled.width = pictures.width;
  pooled.rows.assign(groups.size() * width, 0.0);
  std::vector<char> readable(groups.size(), 0);
  std::vector<Scratch> scratches(static_cast<std::size_t>(threads_for(threads)));

  const auto load = [&](std::size_t row, std::vector<double>& picture) {
    const double weight = weights.empty() ? 1.0 : static_cast<double>(weights[row]);
    for (std::size_t d = 0; d < width; ++d) {
      const std::size_t at = row * width + d;
      picture[d] =
          weight * (pictures.f32 != nullptr ? static_cast<double>(pictures.f32[at]) : pictures.f64[at]);
    }
  };
  const auto pool = [&](std::size_t index, Scratch& scratch) {
    scratch.picture.resize(width);
    scratch.whole.begin(pooling.templates, width);
    for (std::size_t media = groups.media_begin[index]; media < groups.media_begin[index + 1]; ++media) {
      scratch.media.begin(pooling.media, width);
      for (std::size_t i = groups.picture_begin[media]; i < groups.picture_begin[media + 1]; ++i) {
        const auto row = static_cast<std::size_t>(groups.pictures[i]);
        if (!valid.empty() && !valid[row]) continue;
        load(row, scratch.picture);
        scratch.media.add(scratch.picture);
      }
      // The only picture of a media is still in its place.
      if (scratch.media.count() == 1) scratch.whole.add(scratch.picture);
      if (scratch.media.count() > 1) scratch.whole.add(scratch.media.end());
    }
    if (scratch.whole.count() == 0) return;
    readable[index] = 1;
    const std::vector<double>& row = scratch.whole.end();
    std::copy(row.begin(), row.end(), pooled.rows.begin() + static_cast<std::ptrdiff_t>(index * width));
  };

  constexpr std::size_t kOfTask = 64;  // templates; a task costs a lock
  const std::size_t tasks = (groups.size() + kOfTask - 1) / kOfTask;
  run_tasks(static_cast<std::int64_t>(tasks), threads, {}, [&](std::int64_t task, int worker) {
    const std::size_t begin = static_cast<std::size_t>(task) * kOfTask;
    for (std::size_t i = begin; i < std::min(begin + kOfTask, groups.size()); ++i)
      pool(i, scratches[static_cast<std::size_t>(worker)]);
  });
  for (std::size_t i = 0; i < readable.size(); ++i) {
    if (!readable[i]) pooled.unreadable.push_back(i);
  }
  return pooled;
}

}  // namespace qcface::eval
