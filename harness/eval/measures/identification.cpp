#include "harness/eval/measures/identification.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace qcface::eval {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kWhole = 1e-9;  // what rounding may add to or take from a product that is whole

double share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : kNaN;
}

void require_same_mates(const nn::IdentifyFound& found, const Mates& mates) {
  require(found.mate_score.size() == mates.rows.size(), "identification: scores of {} mates, expected {}",
          found.mate_score.size(), mates.rows.size());
}
void require_ranks(const nn::IdentifyFound& found, const Mates& mates) {
  require(found.mate_rank.size() == mates.rows.size(),
          "identification: ranks of {} mates, expected {}: ask for mate_ranks", found.mate_rank.size(),
          mates.rows.size());
}

struct Threshold {
  std::int64_t k = 0;
  double value = 0;
};

// `largest` descends and is not empty.
Threshold threshold_of(std::span<const double> largest, double fpir, OpenSetRule rule) {
  const double product = fpir * static_cast<double>(largest.size());
  const std::int64_t n = static_cast<std::int64_t>(largest.size());
  if (rule == OpenSetRule::kStrict) {
    const std::int64_t k =
        std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(product + kWhole)), 0, n);
    return {k, k < n ? largest[static_cast<std::size_t>(k)] : -kInfinity};
  }
  const double whole = rule == OpenSetRule::kIjbs ? std::trunc(product) : std::nearbyint(product);
  const std::int64_t k = std::clamp<std::int64_t>(static_cast<std::int64_t>(whole), 0, n);
  if (k == 0) return {0, largest[0] + (rule == OpenSetRule::kIjbs ? 1e-8 : 1e-5)};
  return {k, largest[static_cast<std::size_t>(k) - 1]};
}

// How many of a descending list pass.
std::int64_t passing(std::span<const double> descending, double threshold, OpenSetRule rule) {
  const auto end = rule == OpenSetRule::kStrict
                       ? std::lower_bound(descending.begin(), descending.end(), threshold, std::greater<>())
                       : std::upper_bound(descending.begin(), descending.end(), threshold, std::greater<>());
  return end - descending.begin();
}

// What one gallery gives: the largest score of each non-mated probe, and the mate's of each mated one that stands first.
struct GalleryScores {
  std::vector<double> nonmated, first;  // descending
  std::int64_t mated = 0;
};

GalleryScores scores_of(const nn::IdentifyFound& found, const Mates& mates, std::size_t gallery,
                        std::pair<std::int64_t, std::int64_t> range, OpenSetRule rule,
                        const RowName& probe_name) {
  GalleryScores scores;
  const std::int64_t probes = mates.probes();
  for (std::int64_t probe = 0; probe < probes; ++probe) {
    const std::size_t p = static_cast<std::size_t>(probe);
    const std::size_t at = gallery * static_cast<std::size_t>(probes) + p;
    std::int64_t count = 0, best = -1;
    double best_score = -kInfinity;
    for (std::int64_t m = mates.begin[p]; m < mates.begin[p + 1]; ++m) {
      const std::int64_t row = mates.rows[static_cast<std::size_t>(m)];
      if (row < range.first || row >= range.second) continue;
      ++count;
      const double score = found.mate_score[static_cast<std::size_t>(m)];
      if (best < 0 || score > best_score) {  // rows ascend: of equal ones the first stays
        best = row;
        best_score = score;
      }
    }
    if (count == 0) {
      scores.nonmated.push_back(found.part_score[at]);
      continue;
    }
    require(count == 1 || rule == OpenSetRule::kStrict, "{} has {} mates in one gallery, expected one",
            probe_name(probe), count);
    scores.mated += 1;
    const double other = found.part_score[at];
    if (best_score > other || (best_score == other && best < found.part_row[at]))
      scores.first.push_back(best_score);
  }
  std::sort(scores.nonmated.begin(), scores.nonmated.end(), std::greater<>());
  std::sort(scores.first.begin(), scores.first.end(), std::greater<>());
  return scores;
}

}  // namespace

std::int64_t Mates::mated_probes() const {
  std::int64_t count = 0;
  for (std::int64_t probe = 0; probe < probes(); ++probe) count += of(probe) > 0 ? 1 : 0;
  return count;
}

Mates find_mates(std::span<const std::int64_t> probe_subject, std::span<const std::int64_t> gallery_subject,
                 MateRule rule, const RowName& probe_name, const RowName& gallery_name) {
  require(gallery_subject.size() <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
          "identification: a gallery of {} rows, expected fewer than 2^31", gallery_subject.size());
  std::vector<std::int32_t> by_subject(gallery_subject.size());  // stable: rows of a subject ascend
  std::iota(by_subject.begin(), by_subject.end(), 0);
  const auto subject_of = [&](std::int32_t row) { return gallery_subject[static_cast<std::size_t>(row)]; };
  std::stable_sort(by_subject.begin(), by_subject.end(),
                   [&](std::int32_t a, std::int32_t b) { return subject_of(a) < subject_of(b); });
  Mates mates;
  mates.begin.reserve(probe_subject.size() + 1);
  mates.begin.push_back(0);
  for (std::size_t probe = 0; probe < probe_subject.size(); ++probe) {
    const std::int64_t subject = probe_subject[probe];
    if (subject >= 0) {
      const auto first =
          std::lower_bound(by_subject.begin(), by_subject.end(), subject,
                           [&](std::int32_t row, std::int64_t s) { return subject_of(row) < s; });
      for (auto row = first; row != by_subject.end() && subject_of(*row) == subject; ++row)
        mates.rows.push_back(*row);
    }
    const std::int64_t count = static_cast<std::int64_t>(mates.rows.size()) - mates.begin.back();
    if (rule != MateRule::kAny && count > 1) {
      const std::size_t at = static_cast<std::size_t>(mates.begin.back());
      fail("{} has {} mates in the gallery ({}, {}{}), expected {}",
           probe_name(static_cast<std::int64_t>(probe)), count, gallery_name(mates.rows[at]),
           gallery_name(mates.rows[at + 1]), count > 2 ? ", ..." : "",
           rule == MateRule::kExactlyOne ? "exactly one" : "one at most");
    }
    require(rule != MateRule::kExactlyOne || count == 1,
            "{} has no mate in the gallery: its subject {} has no row there",
            probe_name(static_cast<std::int64_t>(probe)), subject);
    mates.begin.push_back(static_cast<std::int64_t>(mates.rows.size()));
  }
  return mates;
}

std::vector<double> hit_rates(const nn::IdentifyFound& found, const Mates& mates,
                              std::span<const std::int64_t> ranks) {
  require_ranks(found, mates);
  std::vector<std::int64_t> best;  // of the mated probes, ascending
  for (std::int64_t probe = 0; probe < mates.probes(); ++probe) {
    if (mates.of(probe) == 0) continue;
    const auto begin = found.mate_rank.begin() + mates.begin[static_cast<std::size_t>(probe)];
    best.push_back(*std::min_element(begin, begin + mates.of(probe)));
  }
  std::sort(best.begin(), best.end());
  std::vector<double> rates;
  for (const std::int64_t rank : ranks) {
    const auto hits = std::lower_bound(best.begin(), best.end(), rank) - best.begin();
    rates.push_back(share(hits, static_cast<std::int64_t>(best.size())));
  }
  return rates;
}

double mean_average_precision(const nn::IdentifyFound& found, const Mates& mates) {
  require_ranks(found, mates);
  double sum = 0;
  std::int64_t mated = 0;
  std::vector<std::int64_t> ranks;
  for (std::int64_t probe = 0; probe < mates.probes(); ++probe) {
    if (mates.of(probe) == 0) continue;
    ++mated;
    const auto begin = found.mate_rank.begin() + mates.begin[static_cast<std::size_t>(probe)];
    ranks.assign(begin, begin + mates.of(probe));
    std::sort(ranks.begin(), ranks.end());
    // Recall changes at mates alone, by the same step each time.
    double precision = 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      const double before = static_cast<double>(ranks[i]);  // rows in front of this mate
      precision += static_cast<double>(i + 1) / (before + 1);
      precision += ranks[i] == 0 ? 1.0 : static_cast<double>(i) / before;
    }
    sum += precision / (2 * static_cast<double>(ranks.size()));
  }
  return mated > 0 ? sum / static_cast<double>(mated) : kNaN;
}

std::int64_t pairwise_rank(std::int64_t probes, double far) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(probes) * far - kWhole));
}

std::vector<PairwiseRecall> recall_pairwise(const nn::IdentifyFound& found, std::int64_t probes,
                                            std::span<const double> fars) {
  std::vector<double> scores = found.mate_score;
  std::sort(scores.begin(), scores.end(), std::greater<>());
  std::vector<PairwiseRecall> rows;
  for (const double far : fars) {
    PairwiseRecall row;
    row.far = far;
    row.k = pairwise_rank(probes, far);
    row.resolvable = row.k >= 1 && row.k <= static_cast<std::int64_t>(found.impostor_scores.size());
    row.threshold = row.resolvable ? found.impostor_scores[static_cast<std::size_t>(row.k) - 1] : kNaN;
    row.recall = row.resolvable ? share(passing(scores, row.threshold, OpenSetRule::kStrict),
                                        static_cast<std::int64_t>(scores.size()))
                                : kNaN;
    rows.push_back(row);
  }
  return rows;
}

std::vector<OpenSet> open_set(const nn::IdentifyFound& found, const Mates& mates,
                              std::span<const std::pair<std::int64_t, std::int64_t>> galleries,
                              std::span<const double> fpirs, OpenSetRule rule, const RowName& probe_name) {
  require_same_mates(found, mates);
  require(found.part_score.size() == galleries.size() * static_cast<std::size_t>(mates.probes()),
          "open set: {} largest scores, expected {} galleries of {} probes: ask for parts",
          found.part_score.size(), galleries.size(), mates.probes());
  std::vector<OpenSet> results;
  for (std::size_t gallery = 0; gallery < galleries.size(); ++gallery) {
    const GalleryScores scores = scores_of(found, mates, gallery, galleries[gallery], rule, probe_name);
    OpenSet result;
    result.mated = scores.mated;
    result.nonmated = static_cast<std::int64_t>(scores.nonmated.size());
    for (const double fpir : fpirs) {
      OpenSetRow row{fpir, 0, false, kNaN, kNaN, kNaN};
      if (result.nonmated > 0) {
        const Threshold threshold = threshold_of(scores.nonmated, fpir, rule);
        row.k = threshold.k;
        row.resolvable = fpir * static_cast<double>(result.nonmated) >= 1 - kWhole;
        row.threshold = threshold.value;
        row.tpir = share(passing(scores.first, threshold.value, rule), result.mated);
        row.fpir_found = share(passing(scores.nonmated, threshold.value, rule), result.nonmated);
      }
      result.rows.push_back(row);
    }
    results.push_back(std::move(result));
  }
  return results;
}

std::vector<double> mean_tpir(std::span<const OpenSet> galleries) {
  std::vector<double> means;
  if (galleries.empty()) return means;
  means.assign(galleries[0].rows.size(), 0.0);
  for (const OpenSet& gallery : galleries) {
    for (std::size_t i = 0; i < means.size(); ++i) means[i] += gallery.rows[i].tpir;
  }
  for (double& mean : means) mean /= static_cast<double>(galleries.size());
  return means;
}

void scale_euclid(nn::IdentifyFound& found) {
  const double lowest = found.lowest, range = found.highest - found.lowest + 1e-10;
  const auto scale = [&](std::vector<double>& scores) {
    for (double& score : scores) score = (score - lowest) / range;  // -infinity stays
  };
  for (auto* scores : {&found.best_score, &found.mate_score, &found.impostor_scores, &found.part_score})
    scale(*scores);
  found.highest = (found.highest - lowest) / range;
  found.lowest = 0;
}

}  // namespace qcface::eval
