#include "kernels/heads/table.h"

#include <cmath>
#include <cstring>

namespace qcface::kernels {
namespace {

template <class List>
struct Table;
template <class... Heads>
struct Table<HeadPack<Heads...>> {
  static constexpr HeadRow kRows[] = {
      {Heads::kName, Heads::kKind, Heads::kDefaults, Heads::kState == State::kT,
       Heads::kState == State::kLengthStats, Heads::Negatives::kHasHard, Heads::MagnitudeLoss::kExists,
       negatives_index<typename Heads::Negatives>(NegativesList{}), Heads::target, row_values<Heads>}...};
};
constexpr auto& kRows = Table<HeadList>::kRows;

constexpr bool positions_match() {
  for (int i = 0; i < HeadList::kCount; ++i) {
    if (static_cast<int>(kRows[i].kind) != i) return false;
  }
  return true;
}
static_assert(positions_match(), "HeadList must be in the order of qcf_head_kind");

constexpr const char* kRuleNames[] = {"easy", "threshold", "none"};

}  // namespace

const HeadRow* head_row(qcf_head_kind kind) {
  const int index = static_cast<int>(kind);
  return index >= 0 && index < HeadList::kCount ? &kRows[index] : nullptr;
}

TargetParams make_target_params(const qcf_head_config& config) {
  constexpr double kPi = 3.14159265358979323846;
  TargetParams params{};
  params.rule = config.rule;
  params.unit_slope = config.unit_slope != 0;
  params.m = config.m;
  params.cos_m = std::cos(config.m);
  params.sin_m = std::sin(config.m);
  params.switch_c = std::cos(kPi - config.m);
  params.drop = config.m * std::sin(kPi - config.m);
  params.s_min = config.s_min;
  params.mag_la = config.mag_la;
  params.mag_ua = config.mag_ua;
  params.mag_lm = config.mag_lm;
  params.mag_slope = (config.mag_um - config.mag_lm) / (config.mag_ua - config.mag_la);
  params.ada_h = config.ada_h;
  return params;
}

RowParams make_row_params(const qcf_head_config& config, double batch) {
  return {config.s,
          config.lambda,
          batch,
          config.s / batch,
          config.lambda / batch,
          config.phase == QCF_PHASE_NORM,
          make_target_params(config),
          {make_guidance<double>(config.ua, config.la, config.eps), config.mag_la, config.mag_ua}};
}

}  // namespace qcface::kernels

using qcface::kernels::head_row;

extern "C" {

int qcf_head_count(void) { return qcface::kernels::HeadList::kCount; }

const char* qcf_head_name(qcf_head_kind kind) {
  const auto* row = head_row(kind);
  return row != nullptr ? row->name : nullptr;
}

int qcf_head_from_name(const char* name, qcf_head_kind* kind) {
  for (const auto& row : qcface::kernels::kRows) {
    if (name != nullptr && std::strcmp(name, row.name) == 0) {
      *kind = row.kind;
      return 1;
    }
  }
  return 0;
}

const char* qcf_rule_name(qcf_rule rule) {
  const int index = static_cast<int>(rule);
  return index >= 0 && index < 3 ? qcface::kernels::kRuleNames[index] : nullptr;
}

int qcf_rule_from_name(const char* name, qcf_rule* rule) {
  for (int i = 0; i < 3; ++i) {
    if (name != nullptr && std::strcmp(name, qcface::kernels::kRuleNames[i]) == 0) {
      *rule = static_cast<qcf_rule>(i);
      return 1;
    }
  }
  return 0;
}

int qcf_head_has_t(qcf_head_kind kind) {
  const auto* row = head_row(kind);
  return row != nullptr && row->has_t ? 1 : 0;
}

int qcf_head_has_length_stats(qcf_head_kind kind) {
  const auto* row = head_row(kind);
  return row != nullptr && row->has_length_stats ? 1 : 0;
}

int qcf_head_has_magnitude_loss(qcf_head_kind kind) {
  const auto* row = head_row(kind);
  return row != nullptr && row->has_magnitude_loss ? 1 : 0;
}

}  // extern "C"
