#include "harness/eval/measures/error_reject.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "harness/eval/measures/pair_scores.h"

namespace qcface::eval {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// floor(share * count): products a little below a whole number are that number (protocols.md section 12).
std::int64_t share_of(double share, std::int64_t count) {
  return static_cast<std::int64_t>(std::floor(share * static_cast<double>(count) + 1e-9));
}

double ratio(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

// Places of comparisons, those of lowest quality first; equal ones in list order.
std::vector<std::size_t> by_quality(std::span<const double> quality, std::vector<std::size_t> places) {
  std::stable_sort(places.begin(), places.end(),
                   [&](std::size_t a, std::size_t b) { return quality[a] < quality[b]; });
  return places;
}

void add_grid_areas(ErrorReject& curve) {
  double area = 0;
  std::size_t limit = 0;
  for (int step = 1; step < kRejectSteps; ++step) {
    const auto i = static_cast<std::size_t>(step);
    area += (reject_share(step) - reject_share(step - 1)) * (curve.fnmr[i] + curve.fnmr[i - 1]) / 2;
    if (limit < kPartialLimits.size() && curve.rule != RejectRule::kFixed &&
        std::fabs(reject_share(step) - kPartialLimits[limit]) < 1e-9) {
      if (std::isfinite(area)) curve.partial.push_back({kPartialLimits[limit], area, std::nullopt});
      ++limit;
    }
  }
  if (std::isfinite(area)) curve.area = area;
}

// Genuine comparisons alone, at one threshold: suffix sums of the misses give every m at once.
void fixed_curve(std::span<const double> genuine_by_quality, ErrorReject& curve) {
  const auto count = static_cast<std::int64_t>(genuine_by_quality.size());
  std::vector<std::int64_t> missed(genuine_by_quality.size() + 1, 0);  // of those after the first m
  for (std::size_t m = genuine_by_quality.size(); m-- > 0;)
    missed[m] = missed[m + 1] + (genuine_by_quality[m] <= curve.threshold ? 1 : 0);
  const auto fnmr_after = [&](std::int64_t m) {
    return ratio(missed[static_cast<std::size_t>(m)], count - m);
  };
  for (int step = 0; step < kRejectSteps; ++step) {
    curve.fnmr[static_cast<std::size_t>(step)] = fnmr_after(share_of(reject_share(step), count));
    curve.thresholds[static_cast<std::size_t>(step)] = curve.threshold;
  }
  std::int64_t m = 0;
  double sum = 0;
  for (const double limit : kPartialLimits) {
    const std::int64_t whole = share_of(limit, count);
    for (; m < whole; ++m) sum += fnmr_after(m);
    const double rest = std::max(0.0, limit * static_cast<double>(count) - static_cast<double>(whole));
    curve.partial.push_back(
        {limit, (sum + rest * fnmr_after(whole)) / static_cast<double>(count), std::nullopt});
  }
}

// What the rules that refit t at every step work on: scores from the highest down, each with its place in the order of
// quality, so that "left after m" is place >= m and no list is built anew.
struct Ranked {
  double score = 0;
  std::int64_t place = 0;
};

struct Sorted {
  std::vector<Ranked> impostors;              // scores descend
  std::vector<Ranked> genuine;                // the same
  std::vector<std::int64_t> impostors_after;  // after m of all are left out; [M + 1]
  std::int64_t all = 0;
};

Sorted sort_all(std::span<const double> scores, std::span<const char> same, std::span<const double> quality) {
  Sorted sorted;
  std::vector<std::size_t> places(scores.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  places = by_quality(quality, std::move(places));
  sorted.all = static_cast<std::int64_t>(scores.size());
  sorted.impostors_after.assign(scores.size() + 1, 0);
  for (std::size_t place = scores.size(); place-- > 0;) {
    const std::size_t i = places[place];
    sorted.impostors_after[place] = sorted.impostors_after[place + 1] + (same[i] ? 0 : 1);
    (same[i] ? sorted.genuine : sorted.impostors).push_back({scores[i], static_cast<std::int64_t>(place)});
  }
  for (std::vector<Ranked>* side : {&sorted.impostors, &sorted.genuine})
    std::stable_sort(side->begin(), side->end(),
                     [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return sorted;
}

// Score of rank k (0: the highest) among those left; there are more than k.
double score_of_rank(std::span<const Ranked> descending, std::int64_t dropped, std::int64_t k) {
  for (const Ranked& entry : descending) {
    if (entry.place >= dropped && k-- == 0) return entry.score;
  }
  return kNan;
}

double strict_threshold(const Sorted& sorted, std::int64_t dropped, std::int64_t left, double fmr) {
  if (left == 0) return kNan;
  return score_of_rank(sorted.impostors, dropped, std::min(share_of(fmr, left), left - 1));
}

// Rank among the largest scores of the i_J-th smallest distance is i_J itself: distances ascend as scores descend.
double magface_threshold(const Sorted& sorted, std::int64_t dropped, std::int64_t left, double fmr) {
  std::int64_t index = left - 1;
  for (int decade = static_cast<int>(std::lround(-std::log10(fmr))); decade > 0; --decade) {
    if (index <= 0) return kNan;
    index /= 10;
  }
  return index < 0 ? kNan : score_of_rank(sorted.impostors, dropped, index);
}

// The share of impostors >= t only takes the values at impostors' scores, and 0 where a genuine one is above all of them. It
// grows as t falls, so only its last value up to the target and the first beyond it can be nearest.
double nearest_threshold(const Sorted& sorted, std::int64_t dropped, std::int64_t left, double fmr) {
  if (left == 0) return kNan;
  const auto left_of = [dropped](const Ranked& entry) { return entry.place >= dropped; };
  const auto top_genuine = std::find_if(sorted.genuine.begin(), sorted.genuine.end(), left_of);
  const auto share = [left](std::int64_t count) {
    return static_cast<double>(count) / static_cast<double>(left);
  };

  // Of the chosen group: its score, and that of the next group below; t lies in (below, score].
  double best = std::numeric_limits<double>::infinity(), score = kNan, below = kNan;
  bool take_below = false;  // the group that follows bounds the chosen one
  std::int64_t count = 0;
  auto at = std::find_if(sorted.impostors.begin(), sorted.impostors.end(), left_of);
  if (top_genuine != sorted.genuine.end() && top_genuine->score > at->score) {
    best = std::fabs(share(0) - fmr);
    score = std::numeric_limits<double>::infinity();
    take_below = true;
  }
  while (at != sorted.impostors.end()) {
    const double group = at->score;
    for (; at != sorted.impostors.end() && (!left_of(*at) || at->score == group); ++at)
      count += left_of(*at) ? 1 : 0;
    if (std::exchange(take_below, false)) below = group;
    const double distance = std::fabs(share(count) - fmr);
    if (distance > best) break;
    best = distance;
    score = group;
    below = -std::numeric_limits<double>::infinity();
    take_below = true;
  }
  // The lowest observed score of that share: a genuine one, unless the impostors' own is lower.
  double threshold = score;
  for (const Ranked& entry : sorted.genuine) {
    if (entry.score <= below) break;
    if (left_of(entry) && entry.score < threshold) threshold = entry.score;
  }
  return threshold;
}

void refit_curve(const Sorted& sorted, ErrorReject& curve) {
  for (int step = 0; step < kRejectSteps; ++step) {
    const std::int64_t dropped = share_of(reject_share(step), sorted.all);
    const std::int64_t left = sorted.impostors_after[static_cast<std::size_t>(dropped)];
    double threshold = kNan;
    if (curve.rule == RejectRule::kRefit) {
      threshold = strict_threshold(sorted, dropped, left, curve.fmr);
    } else if (curve.rule == RejectRule::kMagface) {
      threshold = magface_threshold(sorted, dropped, left, curve.fmr);
    } else {
      threshold = nearest_threshold(sorted, dropped, left, curve.fmr);
    }
    std::int64_t genuine = 0, missed = 0;
    for (const Ranked& entry : sorted.genuine) {
      if (entry.place < dropped) continue;
      ++genuine;
      missed += entry.score <= threshold ? 1 : 0;
    }
    const auto i = static_cast<std::size_t>(step);
    curve.thresholds[i] = threshold;
    curve.fnmr[i] = std::isnan(threshold) ? kNan : ratio(missed, genuine);
  }
  curve.threshold = curve.thresholds[0];
}

}  // namespace

std::string_view name_of(RejectRule rule) {
  constexpr std::array<std::string_view, 4> kNames{"fixed", "refit", "magface", "nearest"};
  return kNames[static_cast<std::size_t>(rule)];
}

bool resolves_fmr(std::int64_t impostors, double fmr) { return share_of(fmr, impostors) >= 1; }

double reject_lower_bound(double fnmr_at_zero, double share) {
  return std::max(0.0, (fnmr_at_zero - share) / (1 - share));
}

std::vector<ErrorReject> error_versus_reject(std::span<const double> scores, std::span<const char> same,
                                             std::span<const double> quality,
                                             std::span<const RejectRequest> requests) {
  const ClassCounts counts = check_pairs(scores, same, "error versus reject");
  require(quality.size() == scores.size(), "error versus reject: {} qualities for {} scores", quality.size(),
          scores.size());
  for (std::size_t i = 0; i < quality.size(); ++i)
    require(std::isfinite(quality[i]), "error versus reject: the quality of pair {} (counted from 0) is {}",
            i, quality[i]);

  std::vector<double> impostors, genuine_by_quality;
  std::vector<std::size_t> genuine;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (same[i]) {
      genuine.push_back(i);
    } else {
      impostors.push_back(scores[i]);
    }
  }
  std::optional<Sorted> sorted;
  std::vector<ErrorReject> curves;
  for (const RejectRequest& request : requests) {
    require(request.fmr > 0 && request.fmr < 1, "error versus reject: the FMR is {}, expected 0 < FMR < 1",
            request.fmr);
    const double decades = -std::log10(request.fmr);
    if (request.rule == RejectRule::kMagface) {
      require(std::fabs(decades - std::round(decades)) < 1e-9,
              "error versus reject: the rule of MagFace knows powers of ten, not the FMR {}", request.fmr);
    } else {
      require(resolves_fmr(counts.different, request.fmr),
              "error versus reject: the FMR {} is below 1/{}, what the pairs of different people can tell",
              request.fmr, counts.different);
    }
    ErrorReject& curve = curves.emplace_back();
    curve.rule = request.rule;
    curve.fmr = request.fmr;
    curve.genuine = counts.same;
    curve.impostors = counts.different;
    if (request.rule == RejectRule::kFixed) {
      if (genuine_by_quality.empty()) {
        for (const std::size_t i : by_quality(quality, std::move(genuine)))
          genuine_by_quality.push_back(scores[i]);
      }
      const auto k = static_cast<std::ptrdiff_t>(share_of(request.fmr, counts.different));
      std::nth_element(impostors.begin(), impostors.begin() + k, impostors.end(), std::greater<>());
      curve.threshold = impostors[static_cast<std::size_t>(k)];
      fixed_curve(genuine_by_quality, curve);
    } else {
      if (!sorted) sorted = sort_all(scores, same, quality);
      refit_curve(*sorted, curve);
    }
    curve.fnmr_at_zero = curve.fnmr[0];
    curve.fmr_at_threshold = ratio(std::count_if(impostors.begin(), impostors.end(),
                                                 [&](double score) { return score > curve.threshold; }),
                                   counts.different);
    add_grid_areas(curve);
    for (PartialArea& partial : curve.partial) {
      if (curve.fnmr_at_zero > 0) partial.normalised = partial.area / (partial.limit * curve.fnmr_at_zero);
    }
  }
  return curves;
}

}  // namespace qcface::eval
