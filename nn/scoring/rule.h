// A score from what a product and two lengths say (scorer.h), the same on every device.
#pragma once

#include <cmath>

#include "kernels/device/host_device.h"
#include "nn/scoring/scorer.h"

namespace qcface::nn::scoring {

/// dot = f1.f2, lengths as they are. kEuclid: only for rows that are not nearly equal, since it takes a difference.
QCF_HD double score_of(ScoreRule rule, double dot, double length1, double length2) {
  if (rule.kind == ScoreRule::kEuclid) {
    const double squared = length1 * length1 + length2 * length2 - 2 * dot;
    return squared > 0 ? -sqrt(squared) : 0.0;
  }
  const double s = dot / ((length1 > 0 ? length1 : 1.0) * (length2 > 0 ? length2 : 1.0));
  if (rule.kind == ScoreRule::kCosine) return s;
  const double slope = rule.beta * s - rule.alpha;
  return s + (slope < 0 ? slope : 0.0) * (length1 < length2 ? length1 : length2);
}

}  // namespace qcface::nn::scoring
