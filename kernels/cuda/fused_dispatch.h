// From the run-time choice of head and operand type to the template arguments of the fused kernels. Host code.
#pragma once

#include "kernels/cuda/device.cuh"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {

/// Calls run.template operator()<Head>() for the head of `kind`.
template <class Run, class... Heads>
cudaError_t dispatch_head(qcf_head_kind kind, const Run& run, HeadPack<Heads...>) {
  cudaError_t error = cudaErrorInvalidValue;
  (void)((kind == Heads::kKind ? (error = run.template operator()<Heads>(), true) : false) || ...);
  return error;
}

/// Calls run.template operator()<Head, T>().
template <class Run>
cudaError_t dispatch_head_type(qcf_head_kind kind, qcf_type type, const Run& run) {
  const auto with_head = [&]<class Head>() {
    if (type == QCF_TYPE_BF16) return run.template operator()<Head, __nv_bfloat16>();
    if (type == QCF_TYPE_F16) return run.template operator()<Head, __half>();
    return cudaErrorInvalidValue;
  };
  return dispatch_head(kind, with_head, HeadList{});
}

}  // namespace qcface::kernels::cuda
