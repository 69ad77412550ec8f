// The two halves of `degradation`, which other protocols may have as a part: what is measured, and how it is kept and shown.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "harness/eval/protocols/degradation.h"
#include "harness/eval/result.h"

namespace qcface::eval {

/// degradation.json without its conditions.
nlohmann::json degradation_json(const DegradationResult& result);
/// Adds tile, tables, figures and examples of such an object. With a prefix each kind's figure is a file too:
/// PREFIX_blur.svg.
void show_degradation(const nlohmann::json& found, Presentation& shown, const std::string& file_prefix = "");

}  // namespace qcface::eval
