#include "harness/data/preparation.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/error.h"

namespace qcface::data {
namespace {

constexpr std::pair<NonSquare, const char*> kNonSquare[] = {{NonSquare::kCentreCrop, "centre-crop"},
                                                            {NonSquare::kReject, "reject"}};

}  // namespace

NonSquare non_square_from_name(std::string_view name) {
  for (const auto& [value, known] : kNonSquare) {
    if (name == known) return value;
  }
  fail("pictures that are not square: '{}' is unknown; choose centre-crop or reject", name);
}

nlohmann::json to_json(const Preparation& p) {
  return {{"mean", p.mean},
          {"std", p.std},
          {"swap-rb", p.swap_rb},
          {"non-square", kNonSquare[static_cast<int>(p.non_square)].second}};
}

Preparation preparation_from_json(const nlohmann::json& config) {
  Preparation p;
  p.mean = config.value("mean", p.mean);
  p.std = config.value("std", p.std);
  p.swap_rb = config.value("swap-rb", p.swap_rb);
  if (const auto found = config.find("non-square"); found != config.end())
    p.non_square = non_square_from_name(found->get_ref<const std::string&>());
  return p;
}

}  // namespace qcface::data
