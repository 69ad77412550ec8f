// The two halves of `verify`: what is measured, and how verify.json is made and shown.
#pragma once

#include <string>
#include <vector>

#include "harness/eval/protocols/verify.h"
#include "harness/eval/result.h"
#include "harness/plot/roc_plot.h"

namespace qcface::eval {

/// "images", "pairs" (listed, used, same, different, excluded), "corrupt" and "flip" of a result.
nlohmann::json counts_json(const PairCounts& counts);
/// verify.json: everything but the scores; fractions unless the key says percent.
nlohmann::json to_json(const VerifyResult& result);
/// The row of tar_at_far of a score's measures for that target; an empty object where there is none.
nlohmann::json tar_row(const nlohmann::json& measures, double far);
/// Of verify.json and roc.csv (score,fpr,tpr,threshold of the thinned ROC; score = cosine or qmf).
Presentation present_verify(const Result& result);

}  // namespace qcface::eval
