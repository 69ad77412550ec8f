#include "nn/scoring/cpu/probe_finds.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>

#include "nn/scoring/cpu/exact_rows.h"

namespace qcface::nn::scoring {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Keys that are looked at together: short enough that most pieces hold nothing of interest.
constexpr std::size_t kPiece = 256;

struct Extremes {
  float lowest, highest;
};
Extremes extremes(std::span<const float> keys) {
  float lowest = keys[0], highest = keys[0];
#pragma omp simd reduction(min : lowest) reduction(max : highest)
  for (std::size_t i = 0; i < keys.size(); ++i) {
    lowest = keys[i] < lowest ? keys[i] : lowest;
    highest = keys[i] > highest ? keys[i] : highest;
  }
  return {lowest, highest};
}

}  // namespace

void Largest::offer(double value) {
  if (!(value > bar_) || wanted_ == 0) return;
  values_.push_back(value);
  if (values_.size() >= 2 * wanted_) cut();
}

void Largest::cut() {
  if (values_.size() <= wanted_) return;
  const auto last = values_.begin() + static_cast<std::ptrdiff_t>(wanted_) - 1;
  std::nth_element(values_.begin(), last, values_.end(), std::greater<>());
  bar_ = *last;
  values_.resize(wanted_);
}

std::vector<double> Largest::descending() {
  cut();
  std::sort(values_.begin(), values_.end(), std::greater<>());
  return std::move(values_);
}

double Scoring::exact(std::int64_t probe, std::int64_t row) const {
  return exact_score(request.rule, request.probes, probe, probe_length[static_cast<std::size_t>(probe)],
                     request.gallery, row, gallery_length[static_cast<std::size_t>(row)]);
}

double Scoring::key_of(double score) const {
  if (request.rule.kind != ScoreRule::kEuclid) return score;
  return score > 0 ? kInfinity : -score * score;
}

double Scoring::slack(std::int64_t probe) const {
  // A product of unit rows in float, added in any order, is off by at most width + 3 roundings: those of the sum, one of each
  // row's value, and one of the product. What follows adds a few of its own, of values as large as those below.
  constexpr double kRounding = 0x1p-24;
  const double of_product = kRounding * static_cast<double>(request.probes.width + 16);
  const double length = probe_length[static_cast<std::size_t>(probe)];
  switch (request.rule.kind) {
    case ScoreRule::kCosine:
      return of_product;
    case ScoreRule::kQmf: {
      const double quality = std::min(length, longest_gallery_row);
      const double slope = std::fabs(request.rule.beta) * quality;
      const double size = 2 + slope + std::fabs(request.rule.alpha) * quality;
      return of_product * (1 + slope) + 16 * kRounding * size;
    }
    case ScoreRule::kEuclid: {
      const double size = (length + longest_gallery_row) * (length + longest_gallery_row);
      return 2 * of_product * length * longest_gallery_row + 16 * kRounding * size;
    }
  }
  return kInfinity;
}

void Scoring::make_keys(std::int64_t probe, std::span<const float> lengths, std::span<float> keys) const {
  const float length = static_cast<float>(probe_length[static_cast<std::size_t>(probe)]);
  if (request.rule.kind == ScoreRule::kQmf) {
    const float alpha = static_cast<float>(request.rule.alpha), beta = static_cast<float>(request.rule.beta);
#pragma omp simd
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const float slope = beta * keys[i] - alpha;
      keys[i] += (slope < 0 ? slope : 0.0f) * (lengths[i] < length ? lengths[i] : length);
    }
  } else if (request.rule.kind == ScoreRule::kEuclid) {
#pragma omp simd
    for (std::size_t i = 0; i < keys.size(); ++i)
      keys[i] = 2 * keys[i] * length * lengths[i] - (length * length + lengths[i] * lengths[i]);
  }
}

ProbeFinds::ProbeFinds(const Scoring& scoring, std::int64_t probe, int top)
    : probe_(probe), top_(static_cast<std::size_t>(top)), slack_(scoring.slack(probe)) {
  const IdentifyRequest& request = scoring.request;
  const std::size_t p = static_cast<std::size_t>(probe);
  for (std::int64_t m = request.mate_begin[p]; m < request.mate_begin[p + 1]; ++m) {
    Mate& mate = mates_.emplace_back();
    mate.row = request.mates[static_cast<std::size_t>(m)];
    mate.score = scoring.exact(probe, mate.row);
    mate.certain = static_cast<float>(scoring.key_of(mate.score) + slack_);
    mate.possible = static_cast<float>(scoring.key_of(mate.score) - slack_);
    sorted_mates_.push_back(mate.row);
  }
  std::sort(sorted_mates_.begin(), sorted_mates_.end());
  part_best_.assign(request.parts.size(), {-kInfinity, -1});
}

bool ProbeFinds::is_mate(std::int64_t row) const {
  return std::binary_search(sorted_mates_.begin(), sorted_mates_.end(), row);
}

// The smallest key that may still matter in rows [first, end).
float ProbeFinds::bar(const Scoring& scoring, std::int64_t first, std::int64_t end,
                      const ThreadFinds& finds) const {
  double score = best_.size() < top_ ? -kInfinity : best_.front().score;
  if (finds.impostor_scores.wants_any()) score = std::min(score, finds.impostor_scores.bar());
  for (std::size_t part = 0; part < part_best_.size(); ++part) {
    const auto [begin, stop] = scoring.request.parts[part];
    if (begin < end && stop > first) score = std::min(score, part_best_[part].score);
  }
  return static_cast<float>(scoring.key_of(score) - slack_);
}

void ProbeFinds::consider(const Scoring& scoring, std::int64_t row, ThreadFinds& finds) {
  const Best found{scoring.exact(probe_, row), static_cast<std::int32_t>(row)};
  finds.lowest = std::min(finds.lowest, found.score);
  finds.highest = std::max(finds.highest, found.score);
  if (best_.size() < top_) {
    best_.push_back(found);
    std::push_heap(best_.begin(), best_.end(), stands_before);
  } else if (stands_before(found, best_.front())) {
    std::pop_heap(best_.begin(), best_.end(), stands_before);
    best_.back() = found;
    std::push_heap(best_.begin(), best_.end(), stands_before);
  }
  if ((!finds.impostor_scores.wants_any() && part_best_.empty()) || is_mate(row)) return;
  finds.impostor_scores.offer(found.score);
  for (std::size_t part = 0; part < part_best_.size(); ++part) {
    const auto [begin, stop] = scoring.request.parts[part];
    if (row < begin || row >= stop) continue;
    Best& best = part_best_[part];
    if (best.row < 0 || found.score > best.score) best = found;
  }
}

void ProbeFinds::count_before(const Scoring& scoring, std::int64_t first, std::span<const float> keys,
                              float highest) {
  for (Mate& mate : mates_) {
    if (highest < mate.possible) continue;
    std::int32_t certain = 0, possible = 0;
#pragma omp simd reduction(+ : certain, possible)
    for (std::size_t i = 0; i < keys.size(); ++i) {
      certain += keys[i] > mate.certain ? 1 : 0;
      possible += keys[i] >= mate.possible ? 1 : 0;
    }
    mate.before += certain;
    if (possible == certain) continue;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] > mate.certain || keys[i] < mate.possible) continue;
      const std::int64_t row = first + static_cast<std::int64_t>(i);
      const double score = scoring.exact(probe_, row);
      mate.before += score > mate.score || (score == mate.score && row < mate.row) ? 1 : 0;
    }
  }
}

void ProbeFinds::look_at(const Scoring& scoring, std::int64_t first, std::span<const float> keys,
                         ThreadFinds& finds) {
  for (std::size_t begin = 0; begin < keys.size(); begin += kPiece) {
    const std::span<const float> piece = keys.subspan(begin, std::min(kPiece, keys.size() - begin));
    const std::int64_t row = first + static_cast<std::int64_t>(begin);
    const std::int64_t end = row + static_cast<std::int64_t>(piece.size());
    const auto [lowest, highest] = extremes(piece);
    float bar_now = bar(scoring, row, end, finds);
    if (highest >= bar_now) {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        if (piece[i] < bar_now) continue;
        consider(scoring, row + static_cast<std::int64_t>(i), finds);
        bar_now = bar(scoring, row, end, finds);
      }
    }
    const auto low_bar = [&] {
      return finds.lowest == kInfinity ? std::numeric_limits<float>::infinity()
                                       : static_cast<float>(scoring.key_of(finds.lowest) + slack_);
    };
    if (lowest <= low_bar()) {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        if (piece[i] <= low_bar())
          finds.lowest = std::min(finds.lowest, scoring.exact(probe_, row + static_cast<std::int64_t>(i)));
      }
    }
    if (scoring.request.mate_ranks) count_before(scoring, row, piece, highest);
  }
}

void ProbeFinds::write(const Scoring& scoring, IdentifyFound& found) {
  const std::size_t p = static_cast<std::size_t>(probe_);
  std::sort_heap(best_.begin(), best_.end(), stands_before);
  for (std::size_t k = 0; k < static_cast<std::size_t>(found.top); ++k) {
    const std::size_t at = p * static_cast<std::size_t>(found.top) + k;
    found.best_row[at] = best_[k].row;
    found.best_score[at] = best_[k].score;
  }
  const std::size_t first_mate = static_cast<std::size_t>(scoring.request.mate_begin[p]);
  for (std::size_t m = 0; m < mates_.size(); ++m) {
    found.mate_score[first_mate + m] = mates_[m].score;
    if (scoring.request.mate_ranks) found.mate_rank[first_mate + m] = mates_[m].before;
  }
  for (std::size_t part = 0; part < part_best_.size(); ++part) {
    const std::size_t at = part * static_cast<std::size_t>(scoring.request.probes.count) + p;
    found.part_score[at] = part_best_[part].score;
    found.part_row[at] = part_best_[part].row;
  }
}

}  // namespace qcface::nn::scoring
