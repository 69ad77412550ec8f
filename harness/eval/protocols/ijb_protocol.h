// The two halves of `ijb`: what is measured, and how ijb.json is made and shown.
#pragma once

#include <string>

#include "harness/eval/protocols/ijb.h"
#include "harness/eval/result.h"

namespace qcface::eval {

/// Of one similarity: what stands in "methods" of ijb.json.
nlohmann::json to_json(const IjbFound& found);
/// ijb.csv: similarity,measure,at,value,detail of the "methods" of ijb.json; fractions.
std::string ijb_csv(const nlohmann::json& methods);
/// Of ijb.json and roc.csv.
Presentation present_ijb(const Result& result);

}  // namespace qcface::eval
