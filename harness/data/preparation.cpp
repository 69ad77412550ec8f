#include "harness/data/preparation.h"

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"

namespace qcface::data {

NonSquare non_square_from_name(std::string_view name) {
  for (const auto& [known, value] : kNonSquareNames) {
    if (name == known) return value;
  }
  fail("pictures that are not square: '{}' is unknown; choose centre-crop or reject", name);
}

nlohmann::json to_json(const Preparation& p) {
  return {{"mean", p.mean},
          {"std", p.std},
          {"swap-rb", p.swap_rb},
          {"bgr", p.bgr},
          {"non-square", kNonSquareNames[static_cast<int>(p.non_square)].first}};
}

Preparation preparation_from_json(const nlohmann::json& config) {
  Preparation p;
  p.mean = config.value("mean", p.mean);
  p.std = config.value("std", p.std);
  p.swap_rb = config.value("swap-rb", p.swap_rb);
  p.bgr = config.value("bgr", p.bgr);
  if (const auto found = config.find("non-square"); found != config.end())
    p.non_square = non_square_from_name(found->get_ref<const std::string&>());
  return p;
}

}  // namespace qcface::data
