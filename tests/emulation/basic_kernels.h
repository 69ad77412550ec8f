// Host side of the kernels in basic_kernels.cu.
#pragma once

#include "kernels/device/runtime.h"

namespace qcface::test {

template <class T>
cudaError_t run_sum_rows(const T* x, float* sums, int rows, int columns, cudaStream_t stream);
cudaError_t run_transpose(const float* x, float* y, int rows, int columns, cudaStream_t stream);

/// out[12 * thread]: what the built-in variables say, over a grid and a block of three dimensions.
cudaError_t run_places(dim3 grid, dim3 block, int* out);
/// Adds every thread's index to *sum, its largest to *largest, and counts the even ones to *even at a barrier.
cudaError_t run_atomics(int blocks, int threads, int* sum, unsigned* largest, int* even);
/// The order in which the threads of one block first run.
cudaError_t run_arrivals(int threads, int* next, int* order);
/// Throws std::logic_error in one thread while the others wait.
cudaError_t run_throwing(int threads);

}  // namespace qcface::test
