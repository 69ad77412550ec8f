// Small kernels that use each thing the device header offers.
#include "tests/emulation/basic_kernels.h"

#include <stdexcept>

#include "kernels/device/reduce.cuh"
#include "kernels/device/types.cuh"

namespace qcface::test {

namespace {

constexpr int kThreads = 128;

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_rows(const T* __restrict__ x, float* __restrict__ sums, int columns) {
  QCF_SHARED(float, scratch, kThreads / 32);
  const T* const row = x + static_cast<std::int64_t>(blockIdx.x) * columns;
  float sum = 0.0f;
  for (int i = threadIdx.x; i < columns; i += kThreads) sum += cuda::to_float(row[i]);
  sum = cuda::block_sum<kThreads>(sum, scratch);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void transpose(const float* x, float* y, int rows, int columns) {
  QCF_DYNAMIC_SHARED(bytes);
  auto* const tile = reinterpret_cast<float*>(bytes);  // [32][33]
  const int c = blockIdx.x * 32 + threadIdx.x, r = blockIdx.y * 32;
  for (int i = threadIdx.y; i < 32 && r + i < rows; i += blockDim.y) {
    if (c < columns) tile[i * 33 + threadIdx.x] = x[static_cast<std::int64_t>(r + i) * columns + c];
  }
  __syncthreads();
  const int out_c = blockIdx.y * 32 + threadIdx.x, out_r = blockIdx.x * 32;
  for (int i = threadIdx.y; i < 32 && out_r + i < columns; i += blockDim.y) {
    if (out_c < rows) y[static_cast<std::int64_t>(out_r + i) * rows + out_c] = tile[threadIdx.x * 33 + i];
  }
}

__global__ void places(int* out) {
  const int block = static_cast<int>((blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x);
  const int thread = static_cast<int>((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x);
  const int threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  // A partial last warp may use the full mask.
  const int lanes = __popc(__ballot_sync(~0u, 1));
  out[block * threads + thread] = 100 * (block * threads + thread) + lanes;
}

__global__ void atomics(int* sum, unsigned* largest, int* even) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(sum, i);
  atomicMax(largest, static_cast<unsigned>(i));
  const int count = __syncthreads_count(i % 2 == 0);
  if (threadIdx.x == 0) atomicAdd(even, count);
}

__global__ void arrivals(int* next, int* order) { order[atomicAdd(next, 1)] = static_cast<int>(threadIdx.x); }

__global__ void throwing() {
  if (threadIdx.x == 33) throw std::logic_error("from the kernel");
  __syncthreads();
}

}  // namespace

cudaError_t run_places(dim3 grid, dim3 block, int* out) {
  return cuda::launch(places, grid, block, 0, nullptr, out);
}
cudaError_t run_atomics(int blocks, int threads, int* sum, unsigned* largest, int* even) {
  return cuda::launch(atomics, blocks, threads, 0, nullptr, sum, largest, even);
}
cudaError_t run_arrivals(int threads, int* next, int* order) {
  return cuda::launch(arrivals, 1, threads, 0, nullptr, next, order);
}
cudaError_t run_throwing(int threads) { return cuda::launch(throwing, 1, threads, 0, nullptr); }

template <class T>
cudaError_t run_sum_rows(const T* x, float* sums, int rows, int columns, cudaStream_t stream) {
  return cuda::launch(sum_rows<T>, rows, kThreads, 0, stream, x, sums, columns);
}
template cudaError_t run_sum_rows(const float*, float*, int, int, cudaStream_t);
template cudaError_t run_sum_rows(const __half*, float*, int, int, cudaStream_t);
template cudaError_t run_sum_rows(const __nv_bfloat16*, float*, int, int, cudaStream_t);

cudaError_t run_transpose(const float* x, float* y, int rows, int columns, cudaStream_t stream) {
  const dim3 grid((columns + 31) / 32, (rows + 31) / 32);
  return cuda::launch(transpose, grid, dim3(32, 8), 32 * 33 * sizeof(float), stream, x, y, rows, columns);
}

}  // namespace qcface::test
