// The list of heads. A new head is one file beside this one, one entry in HeadList and one in qcf_head_kind; every backend
// and the name table follow from it. The entry's position must equal its qcf_head_kind (checked in table.cpp).
#pragma once

#include "kernels/heads/adaface.h"
#include "kernels/heads/arcface.h"
#include "kernels/heads/cosface.h"
#include "kernels/heads/curricular.h"
#include "kernels/heads/magface.h"
#include "kernels/heads/mv_am.h"
#include "kernels/heads/mv_arc.h"
#include "kernels/heads/qcface.h"
#include "kernels/heads/qcface_cur.h"
#include "kernels/heads/qcface_mv.h"
#include "kernels/heads/row.h"
#include "kernels/heads/softmax.h"

namespace qcface::kernels {

template <class... Heads>
struct HeadPack {
  static constexpr int kCount = static_cast<int>(sizeof...(Heads));
};
using HeadList = HeadPack<QcfaceHead, QcfaceCurHead, QcfaceMvHead, SoftmaxHead, CosfaceHead, ArcfaceHead,
                          MagfaceHead, AdafaceHead, CurricularHead, MvArcHead, MvAmHead>;

/// A head as host code uses it.
struct HeadRow {
  const char* name;
  qcf_head_kind kind;
  Defaults defaults;
  bool has_t, has_length_stats;
  bool has_hard;
  bool has_magnitude_loss;
  int negatives;  // place in NegativesList
  TargetValue (*target)(const TargetParams&, const TargetInput&);
  RowValues (*row)(const RowParams&, const TargetInput&, double log_sum, double plain_log_sum);
};

/// NULL for an unknown kind.
const HeadRow* head_row(qcf_head_kind kind);

TargetParams make_target_params(const qcf_head_config& config);
RowParams make_row_params(const qcf_head_config& config, double batch);

/// Mean and unbiased deviation of lengths -> AdaFace's state after this step.
QCF_HD float moved_average(double momentum, double value, float before) {
  return static_cast<float>(momentum * value + (1 - momentum) * static_cast<double>(before));
}

}  // namespace qcface::kernels
