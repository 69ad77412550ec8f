// Fitting alpha and beta of the quality-aware score (protocols.md section 7).
// For each w of linspace(-ratio/Qmax, ratio/Qmax, weights): combined = sigmoid(s + w q) (or without sigmoid,
// kRaw), thinned ROC; for each FMR target the first point with the smallest FNMR among FPR < target; the
// first w with the smallest FNMR gives (threshold, w). Least-squares line w = m threshold + b: beta = m,
// alpha = -b. Targets whose point is the leading (0, 0) are skipped.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace qcface::eval {

/// kSigmoid re-creates the published constants; kRaw fits the line in score space, where scoring applies it.
enum class QmagSpace { kSigmoid, kRaw };

struct QmagFitOptions {
  QmagSpace space = QmagSpace::kSigmoid;
  int weights = 20;
  double max_ratio = 0.5;
  int fmr_targets = 50;  // log10-spaced
  double fmr_min = 1e-5;
  double fmr_max = 1e-2;
};

struct QmagFit {
  double alpha = 0;
  double beta = 0;
  double max_omega = 0;            // ratio / Qmax
  std::vector<double> thresholds;  // one a target that was not skipped
  std::vector<double> omegas;
  int skipped_targets = 0;
  bool constant_threshold = false;  // all thresholds equal: no slope to be had, beta = 0, alpha = -mean(w)
};

/// s: cosines, q: qualities min(|f1|, |f2|). Throws Error as check_pairs(), when no quality is positive, and
/// when every target was skipped (no genuine pair beats the highest impostor).
QmagFit fit_qmag(std::span<const double> s, std::span<const double> q, std::span<const char> same,
                 const QmagFitOptions& options = {});

struct DrawnPairs {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;  // indices of pictures
  std::vector<char> same;
};

/// Training pairs of section 7, seeded: at most 10 pictures an identity, all their pairs, and for each of
/// them 5 impostors for either picture, drawn with replacement; all shuffled. Throws Error without a genuine
/// pair or with one identity only.
DrawnPairs draw_training_pairs(std::span<const std::int64_t> labels, std::uint64_t seed,
                               int max_per_identity = 10, int impostors = 5);

}  // namespace qcface::eval
