// Host side of the kernels in basic_kernels.cu.
#pragma once

#include "kernels/cuda/runtime.h"

namespace qcface::test {

template <class T>
cudaError_t run_sum_rows(const T* x, float* sums, int rows, int columns, cudaStream_t stream);
cudaError_t run_transpose(const float* x, float* y, int rows, int columns, cudaStream_t stream);

}  // namespace qcface::test
