// From the run-time head and operand type to template arguments. Host code of .cu files.
#pragma once

#include "kernels/device/device.cuh"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {

/// A type as a value.
template <class T>
struct Type {
  using type = T;
};

/// run(Type<T>{}) for the operand type.
template <class Run>
cudaError_t for_operand(qcf_type type, const Run& run) {
  if (type == QCF_TYPE_BF16) return run(Type<__nv_bfloat16>{});
  if (type == QCF_TYPE_F16) return run(Type<__half>{});
  return run(Type<float>{});
}

template <class Run, class... Rules>
cudaError_t for_negatives_of(int index, const Run& run, NegativesPack<Rules...> list) {
  cudaError_t error = cudaErrorInvalidValue;
  (void)((index == negatives_index<Rules>(list) ? (error = run(Type<Rules>{}), true) : false) || ...);
  return error;
}

/// run(Type<Rule>{}) for the rule of negatives of the head of `kind`.
template <class Run>
cudaError_t for_negatives(qcf_head_kind kind, const Run& run) {
  return for_negatives_of(head_row(kind)->negatives, run, NegativesList{});
}

/// run.template operator()<Negatives, T>() for the head's rule of negatives and a 16-bit operand type.
template <class Run>
cudaError_t dispatch_negatives_type(qcf_head_kind kind, qcf_type type, const Run& run) {
  return for_negatives(kind, [&](auto rule) {
    using Negatives = typename decltype(rule)::type;
    if (type == QCF_TYPE_BF16) return run.template operator()<Negatives, __nv_bfloat16>();
    if (type == QCF_TYPE_F16) return run.template operator()<Negatives, __half>();
    return cudaErrorInvalidValue;
  });
}

template <class Run, class... Heads>
cudaError_t for_head_of(qcf_head_kind kind, const Run& run, HeadPack<Heads...>) {
  cudaError_t error = cudaErrorInvalidValue;
  (void)((kind == Heads::kKind ? (error = run(Type<Heads>{}), true) : false) || ...);
  return error;
}

/// run(Type<Head>{}) for the head of `kind`.
template <class Run>
cudaError_t for_head(qcf_head_kind kind, const Run& run) {
  return for_head_of(kind, run, HeadList{});
}

}  // namespace qcface::kernels::cuda
