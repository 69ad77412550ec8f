#include "harness/eval/measures/qmag_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/error.h"
#include "core/random.h"
#include "harness/console/interrupt.h"
#include "harness/eval/measures/kfold.h"
#include "harness/eval/measures/pair_scores.h"
#include "harness/eval/measures/roc.h"

namespace qcface::eval {
namespace {

struct Choice {
  double fnmr = std::numeric_limits<double>::infinity();
  double threshold = 0;
  double omega = 0;
};

// The first point with the smallest FNMR among points with FPR below the target (strictly).
void consider(const Roc& roc, double omega, std::span<const double> targets, std::vector<Choice>& choices) {
  // Points ascend in TPR, so the smallest FNMR below a target is met at the last such point; the first point with
  // an equal TPR counts.
  for (std::size_t target = 0; target < targets.size(); ++target) {
    std::size_t last = 0;
    bool any = false;
    for (std::size_t i = 0; i < roc.points.size() && roc.fpr(i) < targets[target]; ++i) {
      last = i;
      any = true;
    }
    if (!any) continue;
    while (last > 0 && roc.points[last - 1].true_accepts == roc.points[last].true_accepts) --last;
    const double fnmr = 1.0 - roc.tpr(last);
    if (fnmr < choices[target].fnmr) choices[target] = {fnmr, roc.points[last].threshold, omega};
  }
}

}  // namespace

QmagFit fit_qmag(std::span<const double> s, std::span<const double> q, std::span<const char> same,
                 const QmagFitOptions& options) {
  check_pairs(s, same, "fit of the quality-aware score");
  require(q.size() == s.size(), "fit of the quality-aware score: {} cosines but {} qualities", s.size(),
          q.size());
  require(options.weights >= 2 && options.fmr_targets >= 2 && options.max_ratio > 0 && options.fmr_min > 0 &&
              options.fmr_max >= options.fmr_min,
          "fit of the quality-aware score: needs at least 2 weights and 2 FMR targets, a positive ratio and "
          "0 < fmr_min <= fmr_max");
  double highest = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    require(std::isfinite(q[i]), "fit of the quality-aware score: the magnitude of pair {} is {}", i, q[i]);
    highest = std::max(highest, q[i]);
  }
  require(highest > 0, "fit of the quality-aware score: no pair has a magnitude above 0");

  QmagFit fit;
  fit.max_omega = options.max_ratio / highest;
  const std::vector<double> omegas = linspace(-fit.max_omega, fit.max_omega, options.weights);
  std::vector<double> targets =
      linspace(std::log10(options.fmr_min), std::log10(options.fmr_max), options.fmr_targets);
  for (double& target : targets) target = std::pow(10.0, target);

  std::vector<Choice> choices(targets.size());
  std::vector<double> combined(s.size());
  for (const double omega : omegas) {
    stop_if_interrupted();
    for (std::size_t i = 0; i < s.size(); ++i) {
      const double score = s[i] + omega * q[i];
      combined[i] = options.space == QmagSpace::kSigmoid ? 1.0 / (1.0 + std::exp(-score)) : score;
    }
    consider(compute_roc(combined, same, RocPoints::kThinned), omega, targets, choices);
  }

  for (const Choice& choice : choices) {
    if (!std::isfinite(choice.threshold) || !std::isfinite(choice.fnmr)) {
      ++fit.skipped_targets;
      continue;
    }
    fit.thresholds.push_back(choice.threshold);
    fit.omegas.push_back(choice.omega);
  }
  require(
      !fit.thresholds.empty(),
      "fit of the quality-aware score: no genuine pair scores above the highest impostor, so no FMR target "
      "gives a threshold; fit on more pairs or on a better trained network");

  const double n = static_cast<double>(fit.thresholds.size());
  double mean_t = 0;
  double mean_w = 0;
  for (std::size_t i = 0; i < fit.thresholds.size(); ++i) {
    mean_t += fit.thresholds[i] / n;
    mean_w += fit.omegas[i] / n;
  }
  double tt = 0;
  double tw = 0;
  for (std::size_t i = 0; i < fit.thresholds.size(); ++i) {
    const double dt = fit.thresholds[i] - mean_t;
    tt += dt * dt;
    tw += dt * (fit.omegas[i] - mean_w);
  }
  const auto [low, high] = std::minmax_element(fit.thresholds.begin(), fit.thresholds.end());
  fit.constant_threshold = *low == *high;
  fit.beta = fit.constant_threshold ? 0.0 : tw / tt;
  fit.alpha = -(mean_w - fit.beta * mean_t);
  return fit;
}

DrawnPairs draw_training_pairs(std::span<const std::int64_t> labels, std::uint64_t seed, int max_per_identity,
                               int impostors) {
  std::map<std::int64_t, std::vector<std::int64_t>> members;
  for (std::size_t i = 0; i < labels.size(); ++i) members[labels[i]].push_back(static_cast<std::int64_t>(i));
  require(members.size() >= 2,
          "training pairs of the quality-aware score: needs pictures of at least two identities, found {}",
          members.size());

  RandomStream random(seed, RandomPurpose::kPairs);
  DrawnPairs drawn;
  const auto impostor_of = [&](std::int64_t picture) {
    for (;;) {
      const std::int64_t other = static_cast<std::int64_t>(random.below(labels.size()));
      if (labels[static_cast<std::size_t>(other)] != labels[static_cast<std::size_t>(picture)]) return other;
    }
  };
  for (auto& [label, pictures] : members) {
    stop_if_interrupted();
    const std::size_t count = std::min(pictures.size(), static_cast<std::size_t>(max_per_identity));
    for (std::size_t i = 0; i < count; ++i) {  // a partial Fisher-Yates draws without replacement
      std::swap(pictures[i], pictures[i + random.below(pictures.size() - i)]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = i + 1; j < count; ++j) {
        drawn.pairs.emplace_back(pictures[i], pictures[j]);
        drawn.same.push_back(1);
        for (const std::int64_t picture : {pictures[i], pictures[j]}) {
          for (int k = 0; k < impostors; ++k) {
            drawn.pairs.emplace_back(picture, impostor_of(picture));
            drawn.same.push_back(0);
          }
        }
      }
    }
  }
  require(
      !drawn.pairs.empty(),
      "training pairs of the quality-aware score: no identity has two pictures, so there is no genuine pair");
  for (std::size_t i = drawn.pairs.size() - 1; i > 0; --i) {
    const std::size_t j = random.below(i + 1);
    std::swap(drawn.pairs[i], drawn.pairs[j]);
    std::swap(drawn.same[i], drawn.same[j]);
  }
  return drawn;
}

}  // namespace qcface::eval
