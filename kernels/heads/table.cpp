#include "kernels/heads/table.h"

#include <cstring>

namespace qcface::kernels {
namespace {

template <class List>
struct Table;
template <class... Heads>
struct Table<HeadPack<Heads...>> {
  static constexpr HeadRow kRows[] = {
      {Heads::kName, Heads::kKind, Heads::kDefaultRule, Heads::kHasT, Heads::kHasHard}...};
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

}  // extern "C"
