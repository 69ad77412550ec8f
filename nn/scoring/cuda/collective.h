// Sort, scan and select over whole arrays in device memory: CUB's on a GPU (cub/collective.cu), plain loops where kernels run on
// the CPU (collective_plain.cpp).
//
// As with CUB, a call whose scratch is null only says how many bytes of scratch it wants; scratch is 256-byte aligned. Counts
// stay below 2^31. All calls enqueue on the stream and throw Error where CUDA reports one. Equal inputs give equal outputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/runtime.h"

namespace qcface::nn::cuda {

struct Scratch {
  void* memory = nullptr;
  std::size_t bytes = 0;
};

/// Two arrays of one size; a sort leaves its result in `values`, and `other` is free.
template <class T>
struct TwoBuffers {
  T* values = nullptr;
  T* other = nullptr;
};

/// Descending; -0 and 0 are equal.
void sort_descending(Scratch* scratch, TwoBuffers<double>* keys, std::int64_t count, cudaStream_t stream);
/// The same, with a label for each key; of equal keys the order stays.
void sort_descending(Scratch* scratch, TwoBuffers<double>* keys, TwoBuffers<std::uint8_t>* labels,
                     std::int64_t count, cudaStream_t stream);
/// sums[i]: how many of labels[0] to labels[i] are not 0.
void count_up(Scratch* scratch, const std::uint8_t* labels, std::int32_t* sums, std::int64_t count,
              cudaStream_t stream);
/// The places where flags is not 0, in order; *found (device memory): how many.
void select_places(Scratch* scratch, const std::uint8_t* flags, std::int64_t count, std::int32_t* places,
                   std::int64_t* found, cudaStream_t stream);
/// The values above `bar`, in order; *found (device memory): how many.
void select_above(Scratch* scratch, const double* values, std::int64_t count, double bar, double* above,
                  std::int64_t* found, cudaStream_t stream);

}  // namespace qcface::nn::cuda
