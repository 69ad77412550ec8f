// Figures of identification, closed and open set, from what a Scorer found (protocols.md sections 9, 10 and 11). Everything is
// counted on exact scores; where nothing is left to count a rate is NaN.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nn/scoring/scorer.h"

namespace qcface::eval {

/// Gallery rows of the probes' own subjects, as IdentifyRequest has them.
struct Mates {
  std::vector<std::int64_t> begin;  // [probes + 1]
  std::vector<std::int32_t> rows;   // ascending for each probe
  std::int64_t probes() const { return static_cast<std::int64_t>(begin.size()) - 1; }
  std::int64_t of(std::int64_t probe) const {
    return begin[static_cast<std::size_t>(probe) + 1] - begin[static_cast<std::size_t>(probe)];
  }
  /// Probes that have one at least.
  std::int64_t mated_probes() const;
};

/// How many a probe may have: any number; exactly one (IJB-B and IJB-C); at most one (IJB-S).
enum class MateRule { kAny, kExactlyOne, kAtMostOne };

/// What messages call a probe or a row of the gallery.
using RowName = std::function<std::string(std::int64_t row)>;

/// A subject below 0 is nobody (a distractor, an impostor) and no one's mate. Throws Error naming the probe, and its mates,
/// where the rule is broken; for a gallery of 2^31 rows or more.
Mates find_mates(std::span<const std::int64_t> probe_subject, std::span<const std::int64_t> gallery_subject,
                 MateRule rule, const RowName& probe_name, const RowName& gallery_name);

/// Share of the mated probes with a mate among the k best, for each k of `ranks`. Needs mate_ranks.
std::vector<double> hit_rates(const nn::IdentifyFound& found, const Mates& mates,
                              std::span<const std::int64_t> ranks);

/// The official kit's mean average precision over the mated probes: AP = sum over ranks j of (recall_j - recall_{j-1})
/// (precision_j + precision_{j-1})/2, precision_0 = 1. Needs mate_ranks.
double mean_average_precision(const nn::IdentifyFound& found, const Mates& mates);

/// Recall at the k-th largest of all scores of non-mates, k = ceil(P FAR): FAR is counted per probe over all pairs.
struct PairwiseRecall {
  double far = 0;
  std::int64_t k = 0;
  bool resolvable = true;  // false: there are fewer than k non-mated pairs
  double threshold = 0;    // recall counts scores > threshold
  double recall = 0;       // share of the scores of mates
};
/// k; a product that is whole but for rounding stays. IdentifyRequest::impostors has to be that of the largest FAR at least.
std::int64_t pairwise_rank(std::int64_t probes, double far);
std::vector<PairwiseRecall> recall_pairwise(const nn::IdentifyFound& found, std::int64_t probes,
                                            std::span<const double> fars);

/// How the threshold of n non-mated probes' largest scores is taken, and who passes it.
enum class OpenSetRule {
  kStrict,   // k = floor(n FPIR), t = the (k+1)-th largest, pass s > t: never above FPIR
  kIjbs,     // k = trunc(n FPIR), t = the k-th largest, or the largest + 1e-8 for k = 0, pass s >= t
  kRounded,  // k = n FPIR rounded (half to even), t alike, or the largest + 1e-5, pass s >= t
};
struct OpenSetRow {
  double fpir = 0;         // target
  std::int64_t k = 0;      // non-mated probes that may pass
  bool resolvable = true;  // false: fpir < 1/n, the figure says little
  double threshold = 0;
  double tpir = 0;        // share of the mated probes whose mate stands first and passes
  double fpir_found = 0;  // share of the non-mated probes that pass
};
struct OpenSet {
  std::int64_t mated = 0, nonmated = 0;  // probes with a mate in this gallery, and the others
  std::vector<OpenSetRow> rows;          // one a target; NaN where mated or nonmated is 0
};
/// Galleries are ranges of rows, those of IdentifyRequest::parts. Of a mated probe the best mate counts; kIjbs and kRounded
/// throw Error naming a probe with two mates in one gallery.
std::vector<OpenSet> open_set(const nn::IdentifyFound& found, const Mates& mates,
                              std::span<const std::pair<std::int64_t, std::int64_t>> galleries,
                              std::span<const double> fpirs, OpenSetRule rule, const RowName& probe_name);
/// TPIR of each target, averaged over the galleries.
std::vector<double> mean_tpir(std::span<const OpenSet> galleries);

/// Scores of ScoreRule::kEuclid as (dmax - d)/(dmax - dmin + 1e-10), the extremes over all pairs.
void scale_euclid(nn::IdentifyFound& found);

}  // namespace qcface::eval
