// From the run-time choice of head and operand type to the template arguments of the fused kernels. Host code.
#pragma once

#include "kernels/cuda/dispatch.h"

namespace qcface::kernels::cuda {

/// Calls run.template operator()<Negatives, T>() for the rule of negatives of the head.
template <class Run>
cudaError_t dispatch_negatives_type(qcf_head_kind kind, qcf_type type, const Run& run) {
  return for_negatives(kind, [&](auto rule) {
    using Negatives = typename decltype(rule)::type;
    if (type == QCF_TYPE_BF16) return run.template operator()<Negatives, __nv_bfloat16>();
    if (type == QCF_TYPE_F16) return run.template operator()<Negatives, __half>();
    return cudaErrorInvalidValue;
  });
}

}  // namespace qcface::kernels::cuda
