// The two halves of `verify`: what is measured, and how verify.json is made and shown.
#pragma once

#include <string>
#include <vector>

#include "harness/eval/protocols/verify.h"
#include "harness/eval/result.h"
#include "harness/plot/roc_plot.h"

namespace qcface::eval {

/// verify.json: everything but the scores; fractions unless the key says percent.
nlohmann::json to_json(const VerifyResult& result);
/// The curves of a sheet with the columns score,fpr,tpr,threshold, or set in front of them: one a score of a set, points in
/// the order of the file. Rows that are none are left out.
std::vector<RocCurve> curves_of(const std::string& sheet);
/// The row of tar_at_far of a score's measures for that target; an empty object where there is none.
nlohmann::json tar_row(const nlohmann::json& measures, double far);
/// Of verify.json and roc.csv (score,fpr,tpr,threshold of the thinned ROC; score = cosine or qmf).
Presentation present_verify(const Result& result);

}  // namespace qcface::eval
