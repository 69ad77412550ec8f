#include "harness/eval/protocols/verify.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/eval/measures/fold_counts.h"

namespace qcface::eval {
namespace {

double mean_norm(const Embeddings& embeddings) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < embeddings.count; ++i) {
    if (!embeddings.valid[static_cast<std::size_t>(i)]) continue;
    sum += magnitude(embeddings.plain_row(i));
    ++count;
    if (!embeddings.mirrored.empty()) {
      sum += magnitude(embeddings.mirrored_row(i));
      ++count;
    }
  }
  return count ? sum / static_cast<double>(count) : 0.0;
}

// |e1 - e2|^2 of the pair in InsightFace's terms: e = unit(f + g), or unit(f) without the mirrored pass.
std::vector<double> insightface_distances(const Embeddings& embeddings,
                                          std::span<const std::pair<int, int>> pairs, bool mirrored) {
  std::vector<float> sum1(static_cast<std::size_t>(embeddings.width));
  std::vector<float> sum2(sum1.size());
  const auto vector_of = [&](int image, std::vector<float>& buffer) -> std::span<const float> {
    if (!mirrored) return embeddings.plain_row(image);
    fuse(FlipFusion::kVectorAdd, embeddings.plain_row(image), embeddings.mirrored_row(image), buffer);
    return buffer;
  };
  std::vector<double> distances;
  distances.reserve(pairs.size());
  for (const auto& [a, b] : pairs) {
    stop_if_interrupted();
    distances.push_back(squared_distance(vector_of(a, sum1), vector_of(b, sum2)));
  }
  return distances;
}

}  // namespace

ScoreMeasures measure(std::span<const double> scores, std::span<const char> same) {
  ScoreMeasures measures;
  if (scores.size() >= static_cast<std::size_t>(kFolds)) measures.kfold = kfold_accuracy(scores, same);
  measures.roc = compute_roc(scores, same, RocPoints::kThinned);
  measures.auc = auc(measures.roc);
  measures.auc_interval = auc_interval(scores, same);
  measures.summary = summarize(measures.roc);
  measures.tar = tar_at_far(measures.roc, scores, same);
  return measures;
}

std::optional<ScoreStats> score_stats(std::span<const double> scores, std::span<const char> same, char kind) {
  std::vector<double> chosen;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (same[i] == kind) chosen.push_back(scores[i]);
  }
  if (chosen.empty()) return std::nullopt;
  const auto [low, high] = std::minmax_element(chosen.begin(), chosen.end());
  const detail::MeanStd spread = detail::mean_std(chosen);
  return ScoreStats{static_cast<std::int64_t>(chosen.size()), spread.mean, spread.std, *low, *high};
}

PairMaterial pair_material(const Embeddings& embeddings, std::span<const std::pair<int, int>> pairs,
                           std::span<const char> same) {
  require(pairs.size() == same.size(), "pairs: {} pairs but {} labels", pairs.size(), same.size());
  PairMaterial material;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    stop_if_interrupted();
    const auto [a, b] = pairs[i];
    require(a >= 0 && b >= 0 && a < embeddings.count && b < embeddings.count,
            "pairs: pair {} names the pictures {} and {}, but there are {} embeddings", i, a, b,
            embeddings.count);
    const std::size_t first = static_cast<std::size_t>(a);
    const std::size_t second = static_cast<std::size_t>(b);
    if (!embeddings.valid[first] || !embeddings.valid[second]) {
      ++material.excluded;
      continue;
    }
    material.pairs.push_back(pairs[i]);
    material.cosine.push_back(cosine(embeddings.row(a), embeddings.row(b)));
    material.quality.push_back(std::min(embeddings.magnitudes[first], embeddings.magnitudes[second]));
    material.same.push_back(same[i]);
  }
  return material;
}

PairMaterial count_pairs(const data::PairList& pairs, const Embeddings& embeddings, const char* what,
                         PairCounts& counts) {
  require(static_cast<std::size_t>(embeddings.count) == pairs.images.size(),
          "{}: {} embeddings for {} pictures of the pair list", what, embeddings.count, pairs.images.size());
  PairMaterial material = pair_material(embeddings, pairs.pairs, pairs.same);
  counts.images = embeddings.count;
  counts.pairs_listed = static_cast<std::int64_t>(pairs.size());
  counts.pairs_excluded = material.excluded;
  counts.corrupt = embeddings.corrupt;
  counts.flip = embeddings.flip;
  require(!material.same.empty(),
          "{}: no pair is left: {} listed, {} excluded because a picture could not be read", what,
          pairs.size(), material.excluded);
  for (std::size_t i = 0; i < material.cosine.size(); ++i) {
    require(std::isfinite(material.cosine[i]), "{}: the score of pair {} (counted from 0) is {}", what, i,
            material.cosine[i]);
    (material.same[i] ? counts.same : counts.different) += 1;
  }
  return material;
}

void require_both_kinds(const data::PairList& pairs, const std::string& what) {
  const auto same = std::count(pairs.same.begin(), pairs.same.end(), 1);
  const auto all = static_cast<std::ptrdiff_t>(pairs.size());
  require(same > 0 && same < all, "{} holds {} pairs of one person and {} of two: both kinds are needed",
          what, same, all - same);
}

void require_measurable(const data::PairList& pairs, const std::string& what) {
  require_both_kinds(pairs, what);
  require(pairs.size() >= kFolds, "{} holds {} pairs: 10-fold verification needs at least {}", what,
          pairs.size(), kFolds);
}

VerifyResult verify_embeddings(const data::PairList& pairs, const Embeddings& embeddings,
                               const std::optional<QmfConstants>& constants, bool euclid) {
  VerifyResult result;
  PairMaterial material = count_pairs(pairs, embeddings, "verification", result);
  result.embed_seconds = embeddings.seconds;

  result.cosine_same = score_stats(material.cosine, material.same, 1);
  result.cosine_different = score_stats(material.cosine, material.same, 0);
  const bool both = result.same > 0 && result.different > 0;
  const bool folds = both && result.same + result.different >= kFolds;
  if (!both) {
    result.missing = fmt::format(
        "{} pairs of one person and {} of two: accuracy, ROC, AUC, EER, TAR and VAL need pairs of both kinds "
        "and are "
        "left out",
        result.same, result.different);
  } else if (!folds) {
    result.missing = fmt::format("{} pairs: 10-fold accuracies and VAL need at least {} and are left out",
                                 result.same + result.different, kFolds);
  }

  if (both) result.cosine = measure(material.cosine, material.same);
  if (both && constants) {
    std::vector<double> scores(material.cosine.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = qmf_score(material.cosine[i], material.quality[i], constants->alpha, constants->beta);
    }
    result.qmf = measure(scores, material.same);
  }
  if (both && euclid) {
    std::vector<double> scores;
    scores.reserve(material.pairs.size());
    for (const auto& [a, b] : material.pairs)
      scores.push_back(-distance(embeddings.row(a), embeddings.row(b)));
    scale_euclid(scores);
    result.euclid = measure(scores, material.same);
  }
  result.constants = constants;

  const bool mirrored = !embeddings.mirrored.empty();
  if (folds) {
    const std::vector<double> distances = insightface_distances(embeddings, material.pairs, mirrored);
    result.insightface = kfold_accuracy_insightface(distances, material.same);
    result.insightface_val = val_at_far_insightface(distances, material.same);
  }
  if (folds && mirrored) {
    result.insightface_plain =
        kfold_accuracy_insightface(insightface_distances(embeddings, material.pairs, false), material.same);
  }
  result.insightface_mean_norm = mean_norm(embeddings);

  result.magnitude_min = std::numeric_limits<double>::infinity();
  std::int64_t valid = 0;
  for (std::size_t i = 0; i < embeddings.magnitudes.size(); ++i) {
    if (!embeddings.valid[i]) continue;
    ++valid;
    result.magnitude_min = std::min(result.magnitude_min, embeddings.magnitudes[i]);
    result.magnitude_max = std::max(result.magnitude_max, embeddings.magnitudes[i]);
    result.magnitude_mean += embeddings.magnitudes[i];
  }
  result.magnitude_mean /= static_cast<double>(std::max<std::int64_t>(valid, 1));
  result.cosine_scores = std::move(material.cosine);
  result.qualities = std::move(material.quality);
  result.same_of_pair = std::move(material.same);
  return result;
}

}  // namespace qcface::eval
