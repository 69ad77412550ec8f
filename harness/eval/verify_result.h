// verify.json, and how it is shown.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "harness/eval/result.h"
#include "harness/eval/verify.h"

namespace qcface::eval {

/// Everything but the scores; fractions unless the key says percent.
nlohmann::json to_json(const VerifyResult& result);
/// With roc.csv: score,fpr,tpr,threshold of the thinned ROC (score = cosine or qmf).
Presentation present_verify(const Result& result);

}  // namespace qcface::eval
