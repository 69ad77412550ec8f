#include "harness/train/state.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/train/engine.h"

namespace qcface::train {
namespace {

bool is_whole(const nlohmann::json& json) {
  const bool fits =
      !json.is_number_unsigned() || json.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
  return json.is_number_integer() && fits && json.get<std::int64_t>() >= 0;
}

// The value under `key` of what is read. Messages go on from "its ".
template <class T>
void read_entry(const nlohmann::json& json, const char* key, T& value) {
  constexpr bool text = std::is_same_v<T, std::string>, whole = std::is_integral_v<T>;
  const auto found = json.find(key);
  const bool there = found != json.end();
  const bool good = there && (text    ? found->is_string()
                              : whole ? is_whole(*found)
                                      : found->is_number() || found->is_null());
  require(good, "its {} is {}, expected {}", key,
          !there                   ? "missing"
          : found->is_structured() ? found->type_name()
                                   : printable(found->dump(), 60),
          text    ? "text"
          : whole ? "a whole number from 0"
                  : "a number");
  if constexpr (text) {
    value = from_json_text(found->template get<std::string>());
  } else if constexpr (whole) {
    const auto number = found->template get<std::int64_t>();
    value = static_cast<T>(std::min<std::int64_t>(number, std::numeric_limits<T>::max()));
  } else {  // null is how JSON holds NaN
    value = found->is_null() ? std::numeric_limits<T>::quiet_NaN() : found->template get<T>();
  }
}

// The entries of every checkpoint in their order; older versions left the optional ones out.
template <class State, class Visit>
void visit_entries(State& s, const Visit& visit) {
  constexpr bool optional = true;
  visit("epoch", s.epoch);
  visit("batch", s.batch);
  visit("global_step", s.global_step);
  visit("classes", s.classes);
  visit("pictures", s.pictures);
  visit("class_list", s.class_list, optional);
  visit("picture_list", s.picture_list, optional);
  visit("threads", s.threads);
  visit("ranks", s.ranks, optional);
  visit("criterion", s.criterion);
  visit("epoch_pictures", s.sums.pictures);
  visit("epoch_loss", s.sums.loss);
  visit("epoch_loss_id", s.sums.loss_id);
  visit("epoch_loss_g", s.sums.loss_g);
  visit("epoch_top1", s.sums.top1);
  visit("epoch_top5", s.sums.top5);
  visit("epoch_z_sum", s.sums.z_sum);
  visit("epoch_z_min", s.sums.z_min);
  visit("epoch_z_max", s.sums.z_max);
}

}  // namespace

void RunState::count(const FinishedStep& step) {
  const HeadStep& head = step.head;
  const auto [z_min, z_max] = std::minmax_element(head.lengths.begin(), head.lengths.end());
  sums.z_min = sums.pictures == 0 ? *z_min : std::min<double>(sums.z_min, *z_min);
  sums.z_max = std::max<double>(sums.z_max, *z_max);
  for (const float z : head.lengths) sums.z_sum += z;
  const auto n = static_cast<double>(step.order.size);
  sums.pictures += step.order.size;
  sums.loss += head.loss * n;
  sums.loss_id += head.loss_id * n;
  sums.loss_g += head.loss_g * n;
  sums.top1 += head.top1;
  sums.top5 += head.top5;
  batch = step.order.batch + 1;
  ++global_step;
}

void RunState::end_epoch() {
  ++epoch;
  batch = 0;
  sums = {};
}

bool RunState::improve(double value, const std::string& what, bool higher_is_better) {
  constexpr const char* kOfOlderVersions = "verification accuracy";  // of whatever sets
  const bool same =
      criterion == what || (criterion == kOfOlderVersions && what.starts_with(kOfOlderVersions));
  if (best && !same) {
    log::info("the best checkpoint is looked for anew: so far it was best by {}, from here on by {}",
              criterion, what);
    best.reset();
  }
  criterion = what;
  if (best && (higher_is_better ? value <= *best : value >= *best)) return false;
  best = value;
  best_step = global_step;
  return true;
}

nlohmann::ordered_json to_json(const RunState& s) {
  nlohmann::ordered_json json;
  visit_entries(s, [&](const char* key, const auto& value, bool = false) {
    if constexpr (std::is_convertible_v<decltype(value), std::string>) {
      json[key] = to_json_text(value);
    } else {
      json[key] = value;
    }
  });
  if (s.best) {
    json["best"] = *s.best;
    if (s.best_step >= 0) json["best_step"] = s.best_step;
  }
  if (s.unverified) json["unverified"] = true;
  if (s.loss_scale > 0) {
    json["loss_scale"] = s.loss_scale;
    json["loss_scale_steps"] = s.loss_scale_steps;
  }
  return json;
}

RunState run_state_from_json(const nlohmann::json& json) {
  RunState s;
  const auto read = [&](const char* key, auto& value, bool optional = false) {
    if (!optional || json.contains(key)) read_entry(json, key, value);
  };
  visit_entries(s, read);
  if (json.contains("best")) read("best", s.best.emplace());
  read("best_step", s.best_step, true);
  s.unverified = json.contains("unverified") && json["unverified"] == true;
  read("loss_scale", s.loss_scale, true);
  read("loss_scale_steps", s.loss_scale_steps, s.loss_scale == 0);
  return s;
}

}  // namespace qcface::train
