// What makes a head. A head is a struct of:
//   kKind, kName     its qcf_head_kind and its name
//   Negatives        a rule of negatives.h
//   MagnitudeLoss    a loss of guidance/magnitude_loss.h
//   kState           what it keeps between steps
//   kDefaults        its published settings
//   target(...)      T and its slopes for one row
#pragma once

#include "kernels/guidance/magnitude_loss.h"
#include "kernels/heads/negatives.h"
#include "kernels/heads/target_rule.h"

namespace qcface::kernels {

enum class State { kNone, kT, kLengthStats };

struct Defaults {
  qcf_rule rule;
  qcf_phase phase;
  double s, m, lambda;
};

}  // namespace qcface::kernels
