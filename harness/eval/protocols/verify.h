// Verification on a pair list (protocols.md sections 2 to 7): scores, both 10-fold accuracies, ROC, AUC, TAR
// at FAR, for cosine and, with constants, for the quality-aware score. Deterministic for given embeddings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/data/lists/pairs.h"
#include "harness/eval/features/extract.h"
#include "harness/eval/measures/interval.h"
#include "harness/eval/measures/kfold.h"
#include "harness/eval/measures/kfold_insightface.h"
#include "harness/eval/measures/qmag_fit.h"
#include "harness/eval/measures/roc.h"
#include "harness/eval/measures/scores.h"

namespace qcface::eval {

/// All measures of one score.
struct ScoreMeasures {
  std::optional<KfoldResult> kfold;  // QCFace style; none of fewer than ten pairs
  Roc roc;                           // thinned
  double auc = 0;                    // fraction
  AucInterval auc_interval;          // DeLong, 95 %
  RocSummary summary;
  std::vector<TarRow> tar;
};
/// Throws Error as compute_roc() and, of ten pairs or more, kfold_accuracy().
ScoreMeasures measure(std::span<const double> scores, std::span<const char> same);

/// Scores of the pairs of one kind.
struct ScoreStats {
  std::int64_t count = 0;
  double mean = 0, std = 0, min = 0, max = 0;  // std: population
};
/// Of those whose label is `kind`; nothing where there is none.
std::optional<ScoreStats> score_stats(std::span<const double> scores, std::span<const char> same, char kind);

/// What every protocol over a pair list counts.
struct PairCounts {
  std::int64_t images = 0;  // distinct pictures of the list
  std::int64_t pairs_listed = 0;
  std::int64_t pairs_excluded = 0;  // a picture of the pair could not be read
  std::int64_t same = 0;            // of the pairs used
  std::int64_t different = 0;
  std::vector<data::CorruptPicture> corrupt;
  FlipFusion flip = FlipFusion::kNone;
};

/// What a list or a pack can tell: measures that need pairs of both kinds, or ten pairs, are there only with them.
struct VerifyResult : PairCounts {
  std::optional<ScoreStats> cosine_same, cosine_different;
  std::optional<ScoreMeasures> cosine;
  std::optional<ScoreMeasures> qmf;
  std::optional<ScoreMeasures> euclid;  // where it was asked for
  std::optional<QmfConstants> constants;
  std::optional<QmagFit> fit;  // when the constants were fitted

  // InsightFace style on unit(f + g) with flip, unit(f) without.
  std::optional<InsightFaceResult> insightface;
  std::optional<ValResult> insightface_val;            // at FAR 1e-3
  std::optional<InsightFaceResult> insightface_plain;  // with flip: the unflipped accuracy
  double insightface_mean_norm = 0;                    // XNorm: mean of all |f| and |g|

  double magnitude_min = 0, magnitude_mean = 0, magnitude_max = 0;  // over the pictures used
  std::string missing;  // a sentence on the measures that are not there; empty: all are
  double embed_seconds = 0;
  std::vector<double> cosine_scores;  // of the pairs used, in list order
  std::vector<double> qualities;      // min magnitude of the pair
  std::vector<char> same_of_pair;
};

/// What fitting and a training run's choice of its best checkpoint need of a list, to be asked before anything is embedded:
/// pairs of both kinds and, for 10-fold accuracy, at least ten. Throws Error that begins with `what`.
void require_both_kinds(const data::PairList& pairs, const std::string& what);
void require_measurable(const data::PairList& pairs, const std::string& what);

/// Measures what can be measured, with `euclid` scores by distance too; `embeddings` rows belong to pairs.images. Throws Error naming what is wrong: no usable pair,
/// NaN, all scores of ten pairs or more of both kinds equal.
VerifyResult verify_embeddings(const data::PairList& pairs, const Embeddings& embeddings,
                               const std::optional<QmfConstants>& constants = {}, bool euclid = false);

/// Cosines and qualities of the readable ones of some pairs, for fit_qmag().
struct PairMaterial {
  std::vector<std::pair<int, int>> pairs;  // the readable ones, in list order; the others belong to them
  std::vector<double> cosine, quality;
  std::vector<char> same;
  std::int64_t excluded = 0;
};
PairMaterial pair_material(const Embeddings& embeddings, std::span<const std::pair<int, int>> pairs,
                           std::span<const char> same);

/// The same of a whole list, counted. Throws Error that begins with `what`: another number of embeddings than pictures, no
/// readable pair, a score that is not finite.
PairMaterial count_pairs(const data::PairList& pairs, const Embeddings& embeddings, const char* what,
                         PairCounts& counts);

}  // namespace qcface::eval
