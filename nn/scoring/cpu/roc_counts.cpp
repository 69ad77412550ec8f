// Scores are split into ranges of about as many, each range into the two kinds of pairs, and each part is sorted alone; then one
// walk down all of them makes the groups of equal scores and thins them on the way. A copy of the scores is all the memory.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/device/parallel.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "nn/scoring/requests.h"

namespace qcface::nn::scoring {
namespace {

constexpr std::size_t kMostRanges = 1024, kRangeScores = 4096, kSamplesOfRange = 32;

// Which range a score belongs to; ranges descend. Equal scores are in one.
class Ranges {
 public:
  explicit Ranges(std::span<const double> scores) {
    while (count_ < kMostRanges && count_ * kRangeScores < scores.size()) {
      count_ *= 2;
      ++levels_;
    }
    tree_.assign(count_, 0);
    if (count_ == 1) return;
    const std::size_t samples = count_ * kSamplesOfRange, stride = scores.size() / samples;
    std::vector<double> sample(samples);
    for (std::size_t i = 0; i < samples; ++i) sample[i] = scores[i * stride];
    std::sort(sample.begin(), sample.end(), std::greater<>());
    // A search tree without pointers: the children of node i are 2 i and 2 i + 1.
    for (std::size_t level = 0, nodes = 1; nodes < count_; ++level, nodes *= 2) {
      for (std::size_t i = 0; i < nodes; ++i) tree_[nodes + i] = sample[(2 * i + 1) * samples / (2 * nodes)];
    }
  }
  std::size_t count() const { return count_; }
  std::size_t operator()(double score) const {
    std::size_t node = 1;
    for (int level = 0; level < levels_; ++level) node = 2 * node + (tree_[node] > score ? 1 : 0);
    return node - count_;
  }

 private:
  std::size_t count_ = 1;
  int levels_ = 0;
  std::vector<double> tree_;
};

// Part 2 r + k: scores of range r of pairs of kind k (1: of one person), descending.
struct Sorted {
  std::vector<double> scores;
  std::vector<std::size_t> begin;
  std::span<const double> part(std::size_t i) const {
    return std::span(scores).subspan(begin[i], begin[i + 1] - begin[i]);
  }
};

Sorted sort_scores(std::span<const double> scores, std::span<const char> same, int threads) {
  const Ranges range_of(scores);
  const std::size_t parts = 2 * range_of.count();
  const auto workers = static_cast<std::size_t>(range_of.count() == 1 ? 1 : threads);
  const auto first_of = [&](std::size_t worker) { return scores.size() * worker / workers; };
  const auto part_of = [&](std::size_t i) { return 2 * range_of(scores[i]) + (same[i] ? 1 : 0); };
  std::vector<std::size_t> next(workers * parts, 0);
  parallel_for(static_cast<std::int64_t>(workers), threads, [&](std::int64_t number) {
    const auto worker = static_cast<std::size_t>(number);
    std::vector<std::size_t> counts(parts, 0);
    for (std::size_t i = first_of(worker); i < first_of(worker + 1); ++i) ++counts[part_of(i)];
    std::copy(counts.begin(), counts.end(), next.begin() + static_cast<std::ptrdiff_t>(worker * parts));
  });
  Sorted sorted;
  sorted.begin.assign(parts + 1, 0);
  std::size_t at = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    sorted.begin[part] = at;
    for (std::size_t worker = 0; worker < workers; ++worker)
      at += std::exchange(next[worker * parts + part], at);
  }
  sorted.begin[parts] = at;
  sorted.scores.resize(scores.size());
  parallel_for(static_cast<std::int64_t>(workers), threads, [&](std::int64_t number) {
    const auto worker = static_cast<std::size_t>(number);
    std::vector<std::size_t> place(next.begin() + static_cast<std::ptrdiff_t>(worker * parts),
                                   next.begin() + static_cast<std::ptrdiff_t>((worker + 1) * parts));
    for (std::size_t i = first_of(worker); i < first_of(worker + 1); ++i)
      sorted.scores[place[part_of(i)]++] = scores[i];
  });
  parallel_for(static_cast<std::int64_t>(parts), static_cast<int>(workers), [&](std::int64_t number) {
    const auto part = static_cast<std::size_t>(number);
    std::sort(sorted.scores.begin() + static_cast<std::ptrdiff_t>(sorted.begin[part]),
              sorted.scores.begin() + static_cast<std::ptrdiff_t>(sorted.begin[part + 1]), std::greater<>());
  });
  return sorted;
}

// Takes the groups from the highest down. Whether one is kept shows when the next is there.
class Curve {
 public:
  Curve(const RocRequest& request, RocCounts& counts) : thinned_(request.thinned), counts_(counts) {}
  void add(const RocPoint& group) {
    if (groups_ > 0) keep_last(!thinned_ || groups_ == 1 || bends(group));
    before_ = here_;
    here_ = group;
    ++groups_;
  }
  void end() {
    if (groups_ > 0) keep_last(true);
  }

 private:
  bool bends(const RocPoint& after) const {
    return after.false_accepts - 2 * here_.false_accepts + before_.false_accepts != 0 ||
           after.true_accepts - 2 * here_.true_accepts + before_.true_accepts != 0;
  }
  void keep_last(bool keep) {
    if (keep) counts_.points.push_back(here_);
  }

  const bool thinned_;
  RocCounts& counts_;
  RocPoint before_, here_;
  std::int64_t groups_ = 0;
};

}  // namespace

RocCounts roc_counts(const RocRequest& request, int threads) {
  RocCounts counts = counted(request);
  const std::span<const std::int64_t> ranks = request.negative_ranks;
  std::vector<std::size_t> by_rank(ranks.size());
  std::iota(by_rank.begin(), by_rank.end(), std::size_t{0});
  std::sort(by_rank.begin(), by_rank.end(),
            [&](std::size_t a, std::size_t b) { return ranks[a] < ranks[b]; });
  auto next_rank = by_rank.begin();

  const Sorted sorted = sort_scores(request.scores, request.same, threads);
  Curve curve(request, counts);
  RocPoint group;
  for (std::size_t part = 0; part + 1 < sorted.begin.size(); part += 2) {
    const std::span<const double> different = sorted.part(part), same = sorted.part(part + 1);
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    for (std::size_t d = 0, s = 0; d < different.size() || s < same.size();) {
      group.false_above = group.false_accepts;
      group.true_above = group.true_accepts;
      group.threshold =
          std::max(d < different.size() ? different[d] : kNone, s < same.size() ? same[s] : kNone);
      const std::size_t d0 = d, s0 = s;
      while (d < different.size() && different[d] == group.threshold) ++d;
      while (s < same.size() && same[s] == group.threshold) ++s;
      group.false_accepts += static_cast<std::int64_t>(d - d0);
      group.true_accepts += static_cast<std::int64_t>(s - s0);
      for (; next_rank != by_rank.end() && ranks[*next_rank] < group.false_accepts; ++next_rank) {
        counts.negative_score[*next_rank] = group.threshold;
        counts.same_above[*next_rank] = group.true_above;
        counts.different_above[*next_rank] = group.false_above;
      }
      curve.add(group);
    }
  }
  curve.end();
  return counts;
}

}  // namespace qcface::nn::scoring
