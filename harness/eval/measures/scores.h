// Similarity scores of a pair of embeddings (protocols.md sections 1 and 3), in double.
//   s   = u1 . u2 with u = f / |f|; a zero vector stays zero (its norm counts as 1)
//   euclid = (max - d) / (max - min + 1e-10), d = |f1 - f2|, extremes over all pairs
//   qmf = s + w q with q = min(|f1|, |f2|), w = min(0, beta s - alpha)
// qmf is unbounded below: values near -5 are normal. s does not change when all f are scaled, qmf does.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::eval {

/// |f|, summed in double. This is the magnitude, and the quality value.
double magnitude(std::span<const float> f);

/// s of two raw embeddings of equal width.
double cosine(std::span<const float> f1, std::span<const float> f2);

/// |f1 - f2| of two raw embeddings of equal width.
double distance(std::span<const float> f1, std::span<const float> f2);
/// Scores -d become (max - d) / (max - min + 1e-10), extremes over all of them.
void scale_euclid(std::span<double> scores);

/// Constants of the quality-aware score. They only make sense for the magnitudes of the model they were
/// fitted on, so there is no default: name a preset, give numbers, or fit them (qmag_fit.h).
struct QmfConstants {
  double alpha = 0;
  double beta = 0;
  std::string source;  // "preset qcface/ir50", "given", "fitted on ...": kept in result files
};

inline double qmf_score(double s, double q, double alpha, double beta) {
  return s + std::fmin(0.0, beta * s - alpha) * q;
}

struct QmfPreset {
  std::string_view name;  // "qcface/ir18", ..., "adaface"
  double alpha;
  double beta;
};

/// Every published preset, in the order of protocols.md section 3.
std::span<const QmfPreset> qmf_presets();
/// Throws Error listing the known names.
QmfConstants qmf_preset(std::string_view name);

}  // namespace qcface::eval
