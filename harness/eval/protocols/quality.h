// Whether a quality value is one (protocols.md section 12): error-versus-reject curves of a pair list, and how quality goes with
// the scores of genuine pairs. The magnitude is a quality; others come from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/data/lists/pairs.h"
#include "harness/eval/features/extract.h"
#include "harness/eval/measures/error_reject.h"
#include "harness/eval/protocols/verify.h"

namespace qcface::eval {

/// A value of every picture of a pair list, larger = better.
struct PictureQuality {
  std::string name;            // legend
  std::vector<double> values;  // by PairList::images
};

struct QualityOptions {
  std::vector<RejectRule> rules{RejectRule::kFixed};
  std::vector<double> fmrs{1e-2, 1e-3, 1e-4};
};

/// One quality. Of a pair: the smaller value of its two pictures.
struct QualityFinding {
  std::string name;                 // "magnitude", or of the list
  std::vector<ErrorReject> curves;  // rule by rule, each for all FMRs that are resolved
  // Of quality and score of the genuine pairs; none: undefined (constant, or fewer than two).
  std::optional<double> spearman, kendall;
  std::vector<double> genuine_quality;  // of the genuine pairs used, in list order
};

struct QualityResult : PairCounts {
  std::vector<double> fmr_refused;  // below 1/different
  std::vector<QualityFinding> findings;
  std::vector<double> genuine_scores;  // cosine, in list order
};

/// The magnitude first, then `others`. Scores are cosines. Throws Error as verify_embeddings(), and for another number of values
/// than pictures.
QualityResult evaluate_quality(const data::PairList& pairs, const Embeddings& embeddings,
                               std::span<const PictureQuality> others, const QualityOptions& options = {});

}  // namespace qcface::eval
