// collective.h through CUB and Thrust's iterators. Apart from our own kernels, which the emulator compiles too.
#include "nn/scoring/cuda/collective.h"

#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_select.cuh>

#include "nn/cuda/check.h"

namespace qcface::nn::cuda {
namespace {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) fail_call(what, cudaGetErrorString(status));
}

struct IsSet {
  __host__ __device__ std::int32_t operator()(std::uint8_t label) const { return label != 0 ? 1 : 0; }
};

struct Above {
  double bar;
  __host__ __device__ bool operator()(double value) const { return value > bar; }
};

}  // namespace

void sort_descending(Scratch* scratch, TwoBuffers<double>* keys, std::int64_t count, cudaStream_t stream) {
  cub::DoubleBuffer<double> both(keys->values, keys->other);
  check(cub::DeviceRadixSort::SortKeysDescending(scratch->memory, scratch->bytes, both,
                                                 static_cast<int>(count), 0, 64, stream),
        "CUB's sort");
  if (scratch->memory != nullptr) *keys = {both.Current(), both.Alternate()};
}

void sort_descending(Scratch* scratch, TwoBuffers<double>* keys, TwoBuffers<std::uint8_t>* labels,
                     std::int64_t count, cudaStream_t stream) {
  cub::DoubleBuffer<double> both(keys->values, keys->other);
  cub::DoubleBuffer<std::uint8_t> both_labels(labels->values, labels->other);
  check(cub::DeviceRadixSort::SortPairsDescending(scratch->memory, scratch->bytes, both, both_labels,
                                                  static_cast<int>(count), 0, 64, stream),
        "CUB's sort");
  if (scratch->memory == nullptr) return;
  *keys = {both.Current(), both.Alternate()};
  *labels = {both_labels.Current(), both_labels.Alternate()};
}

void count_up(Scratch* scratch, const std::uint8_t* labels, std::int32_t* sums, std::int64_t count,
              cudaStream_t stream) {
  check(cub::DeviceScan::InclusiveSum(scratch->memory, scratch->bytes,
                                      thrust::make_transform_iterator(labels, IsSet{}), sums,
                                      static_cast<int>(count), stream),
        "CUB's scan");
}

void select_places(Scratch* scratch, const std::uint8_t* flags, std::int64_t count, std::int32_t* places,
                   std::int64_t* found, cudaStream_t stream) {
  check(
      cub::DeviceSelect::Flagged(scratch->memory, scratch->bytes, thrust::counting_iterator<std::int32_t>(0),
                                 flags, places, found, static_cast<int>(count), stream),
      "CUB's selection");
}

void select_above(Scratch* scratch, const double* values, std::int64_t count, double bar, double* above,
                  std::int64_t* found, cudaStream_t stream) {
  check(cub::DeviceSelect::If(scratch->memory, scratch->bytes, values, above, found, static_cast<int>(count),
                              Above{bar}, stream),
        "CUB's selection");
}

}  // namespace qcface::nn::cuda
