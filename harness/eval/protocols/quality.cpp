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

// Of these pairs.
std::vector<double> quality_of_pairs(const data::PairList& list, std::span<const std::pair<int, int>> pairs,
                                     const PictureQuality& quality) {
  require(quality.values.size() == list.images.size(), "quality {}: {} values for {} pictures", quality.name,
          quality.values.size(), list.images.size());
  std::vector<double> of_pairs;
  for (const auto& pair : pairs) {
    of_pairs.push_back(std::min(quality.values[static_cast<std::size_t>(pair.first)],
                                quality.values[static_cast<std::size_t>(pair.second)]));
  }
  return of_pairs;
}

}  // namespace

QualityResult evaluate_quality(const data::PairList& pairs, const Embeddings& embeddings,
                               std::span<const PictureQuality> others, const QualityOptions& options) {
  QualityResult result;
  const PairMaterial material = count_pairs(pairs, embeddings, "quality", result);
  for (std::size_t i = 0; i < material.cosine.size(); ++i) {
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
  for (const PictureQuality& other : others) find(other.name, quality_of_pairs(pairs, material.pairs, other));
  return result;
}

}  // namespace qcface::eval
