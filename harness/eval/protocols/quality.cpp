#include "harness/eval/protocols/quality.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/eval/measures/spearman.h"
#include "harness/eval/protocols/verify.h"

namespace qcface::eval {
namespace {

bool is_used(const Embeddings& embeddings, const std::pair<int, int>& pair) {
  return embeddings.valid[static_cast<std::size_t>(pair.first)] != 0 &&
         embeddings.valid[static_cast<std::size_t>(pair.second)] != 0;
}

// Of the pairs that pair_material() has used.
std::vector<double> quality_of_pairs(const data::PairList& pairs, const Embeddings& embeddings,
                                     const PictureQuality& quality) {
  require(quality.values.size() == pairs.images.size(), "quality {}: {} values for {} pictures", quality.name,
          quality.values.size(), pairs.images.size());
  std::vector<double> of_pairs;
  for (const auto& pair : pairs.pairs) {
    if (!is_used(embeddings, pair)) continue;
    of_pairs.push_back(std::min(quality.values[static_cast<std::size_t>(pair.first)],
                                quality.values[static_cast<std::size_t>(pair.second)]));
  }
  return of_pairs;
}

}  // namespace

QualityResult evaluate_quality(const data::PairList& pairs, const Embeddings& embeddings,
                               std::span<const PictureQuality> others, const QualityOptions& options) {
  require(static_cast<std::size_t>(embeddings.count) == pairs.images.size(),
          "quality: {} embeddings for {} pictures of the pair list", embeddings.count, pairs.images.size());
  QualityResult result;
  result.images = embeddings.count;
  result.pairs_listed = static_cast<std::int64_t>(pairs.size());
  result.corrupt = embeddings.corrupt;
  result.flip = embeddings.flip;

  PairMaterial material = pair_material(embeddings, pairs.pairs, pairs.same);
  result.pairs_excluded = material.excluded;
  require(!material.same.empty(),
          "quality: no pair is left: {} listed, {} excluded because a picture could not be read",
          pairs.size(), material.excluded);
  for (std::size_t i = 0; i < material.cosine.size(); ++i) {
    require(std::isfinite(material.cosine[i]), "quality: the score of pair {} (counted from 0) is {}", i,
            material.cosine[i]);
    (material.same[i] ? result.same : result.different) += 1;
    if (material.same[i]) result.genuine_scores.push_back(material.cosine[i]);
  }

  std::vector<RejectRequest> requests;
  if (result.same > 0 && result.different > 0) {
    for (const RejectRule rule : options.rules) {
      for (const double fmr : options.fmrs) {
        if (resolves_fmr(result.different, fmr)) requests.push_back({rule, fmr});
      }
    }
    for (const double fmr : options.fmrs) {
      if (!resolves_fmr(result.different, fmr)) result.fmr_refused.push_back(fmr);
    }
  }
  const auto find = [&](const std::string& name, std::span<const double> quality) {
    stop_if_interrupted();
    QualityFinding& finding = result.findings.emplace_back();
    finding.name = name;
    for (std::size_t i = 0; i < quality.size(); ++i) {
      if (material.same[i]) finding.genuine_quality.push_back(quality[i]);
    }
    finding.spearman = spearman(finding.genuine_quality, result.genuine_scores);
    finding.kendall = kendall_tau_b(finding.genuine_quality, result.genuine_scores);
    if (!requests.empty())
      finding.curves = error_versus_reject(material.cosine, material.same, quality, requests);
  };
  find("magnitude", material.quality);
  for (const PictureQuality& other : others) find(other.name, quality_of_pairs(pairs, embeddings, other));
  return result;
}

}  // namespace qcface::eval
