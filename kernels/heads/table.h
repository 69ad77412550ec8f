// The list of heads. A new head is one file beside this one and one entry in HeadList; every backend and the name table
// follow from it. The entry's position must equal its qcf_head_kind (checked in table.cpp).
#pragma once

#include "kernels/heads/qcface.h"
#include "kernels/heads/qcface_cur.h"
#include "kernels/heads/qcface_mv.h"

namespace qcface::kernels {

template <class... Heads>
struct HeadPack {
  static constexpr int kCount = static_cast<int>(sizeof...(Heads));
};
using HeadList = HeadPack<QcfaceHead, QcfaceCurHead, QcfaceMvHead>;

struct HeadRow {
  const char* name;
  qcf_head_kind kind;
  qcf_rule default_rule;
  bool has_t;
  bool has_hard;
};

/// NULL for an unknown kind.
const HeadRow* head_row(qcf_head_kind kind);

}  // namespace qcface::kernels
