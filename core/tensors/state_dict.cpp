#include "core/tensors/state_dict.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"

namespace qcface {
namespace {

using pickle::Dict;
using pickle::Value;

// The published codes' own, the more telling ones first.
constexpr std::string_view kPlaces[] = {"state_dict",
                                        "state_dict_backbone",
                                        "net_state_dict",
                                        "model_state_dict",
                                        "model",
                                        "backbone",
                                        "net",
                                        "network",
                                        "weights",
                                        "params"};
constexpr std::string_view kBackbone = "state_dict_backbone", kClasses = "state_dict_softmax_fc";
constexpr int kDeepestPlace = 3;
constexpr std::size_t kMostFacts = 1000, kLongestFact = 4096;

bool holds_tensors(const Dict& dict) {
  return std::any_of(dict.entries.begin(), dict.entries.end(), [](const auto& entry) {
    return entry.second.kind() == pickle::Kind::kTensor && entry.first.name();
  });
}

void add_facts(const Dict& dict, std::map<std::string, std::string>& facts) {
  for (const auto& [key, value] : dict.entries) {
    const auto name = key.name();
    if (!name || name->size() > kLongestFact || facts.size() >= kMostFacts) continue;
    std::string text;
    if (value.kind() == pickle::Kind::kBool)
      text = *value.integer() != 0 ? "true" : "false";
    else if (const auto integer = value.integer())
      text = std::to_string(*integer);
    else if (const auto real = value.real())
      text = fmt::format("{}", *real);
    else if (value.kind() == pickle::Kind::kText && value.slice().size() <= kLongestFact)
      text = value.slice();
    else
      continue;
    // These names have a meaning in this program's own checkpoints.
    const bool ours = *name == "format" || *name == "config" || *name == "state";
    facts.insert_or_assign((ours ? "pytorch." : "") + std::string(*name), std::move(text));
  }
}

struct Place {
  const Dict* dict = nullptr;
  const Dict* classes = nullptr;  // beside InsightFace's backbone
  std::string name;
};

// The dict of tensors in `dict` or below it, and the facts on the way; no dict where there is none.
Place find_place(const Dict& dict, int depth, std::map<std::string, std::string>& facts) {
  const auto below = [&](const Value& value, std::string_view key) {
    Place place;
    if (value.dict() == nullptr || depth == kDeepestPlace) return place;
    std::map<std::string, std::string> further;
    place = find_place(*value.dict(), depth + 1, further);
    if (place.dict == nullptr) return place;
    facts.merge(further);
    place.name = std::string(key) + (place.name.empty() ? "" : ".") + place.name;
    return place;
  };
  Place place;
  for (const std::string_view key : kPlaces) {
    const Value* const value = dict.find(key);
    if (value == nullptr) continue;
    place = below(*value, key);
    if (place.dict == nullptr) continue;
    const Value* const classes = key == kBackbone ? dict.find(kClasses) : nullptr;
    if (classes != nullptr) place.classes = classes->dict();
    break;
  }
  if (place.dict == nullptr && holds_tensors(dict)) place.dict = &dict;
  // Any other name, where one dict alone has tensors, or has most of them.
  if (place.dict == nullptr) {
    for (const auto& [key, value] : dict.entries) {
      const auto name = key.name();
      if (!name || value.dict() == nullptr || !holds_tensors(*value.dict())) continue;
      if (place.dict != nullptr && place.dict->entries.size() >= value.dict()->entries.size()) continue;
      place.dict = value.dict();
      place.name = *name;
    }
  }
  if (place.dict != nullptr) add_facts(dict, facts);
  return place;
}

// Python keeps the place of a key's first writing and the value of its last one.
void add_entries(const Dict& dict, const std::string& prefix, bool is_root, StateDict& found) {
  std::unordered_map<std::string_view, std::size_t> index;
  for (const auto& [key, value] : dict.entries) {
    const auto name = key.name();
    if (!name) continue;
    // What stands beside tensors in the file itself (an epoch) is no bad tensor.
    const bool fact = value.integer() || value.real() || value.name() || value.is_none();
    if (is_root && fact) continue;
    if (const auto [place, fresh] = index.emplace(*name, found.entries.size()); fresh)
      found.entries.emplace_back(prefix + std::string(*name), value);
    else
      found.entries[place->second].second = value;
  }
}

std::string keys_of(const Dict& dict) {
  constexpr std::size_t kShown = 8;
  std::string keys;
  for (std::size_t i = 0; i < std::min(dict.entries.size(), kShown); ++i)
    keys += (i > 0 ? ", " : "") + dict.entries[i].first.describe();
  return dict.entries.size() > kShown ? keys + ", ..." : keys;
}

}  // namespace

StateDict find_state_dict(const std::string& file, const Value& root) {
  const Dict* const dict = root.dict();
  if (const pickle::Opaque* const object = root.opaque(); object != nullptr && object->maker != nullptr) {
    fail("{}: byte {}: holds an object of {}.{}, whose code would have to run; save its state_dict() instead",
         file, object->offset, printable(object->maker->module, 60), printable(object->maker->name, 60));
  }
  require(dict != nullptr, "{}: holds {}, expected a dict of tensors; save a state_dict()", file,
          root.describe());
  StateDict found;
  const Place place = find_place(*dict, 0, found.facts);
  require(place.dict != nullptr, "{}: holds no dict of tensors; its keys are: {}", file, keys_of(*dict));
  found.place = place.name;
  add_entries(*place.dict, "", place.dict == dict, found);
  if (place.classes != nullptr) add_entries(*place.classes, std::string(kClasses) + ".", false, found);
  return found;
}

}  // namespace qcface
