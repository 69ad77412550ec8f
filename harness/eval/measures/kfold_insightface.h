// 10-fold verification accuracy, InsightFace style (protocols.md section 5).
//   distance = squared Euclidean distance of unit embeddings, 0..4; grid 0, 0.01, ..., 3.99; same folds and
//   choice as kfold.h with distance < t. VAL at FAR: grid 0, 0.001, ..., 3.999; t where the training FAR,
//   read as a piecewise linear function, meets the target (a flat run counts by its last point); 0 when it
//   never does.
// Throws Error as check_pairs() and for fewer pairs than folds.
#pragma once

#include <span>
#include <vector>

#include "harness/eval/measures/kfold.h"

namespace qcface::eval {

/// |e1 - e2|^2 with e = f / |f|, in double.
double squared_distance(std::span<const float> f1, std::span<const float> f2);

struct InsightFaceResult {
  double accuracy_mean = 0;  // fractions
  double accuracy_std = 0;
  std::vector<KfoldFold> folds;
};

InsightFaceResult kfold_accuracy_insightface(std::span<const double> distances, std::span<const char> same);

struct ValResult {
  double far_target = 0;
  double val_mean = 0;  // TPR over the folds, fractions
  double val_std = 0;
  double far_mean = 0;  // FPR met on the folds
};
ValResult val_at_far_insightface(std::span<const double> distances, std::span<const char> same,
                                 double far_target = 1e-3);

}  // namespace qcface::eval
