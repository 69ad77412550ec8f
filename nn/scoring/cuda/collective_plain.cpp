// collective.h where kernels run on the CPU: device memory is host memory there, so plain loops stand in for CUB.
#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "nn/scoring/cuda/collective.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::size_t kScratch = 768;  // something, so that the hand-over of scratch is tested too

/// Whether the call only asks. Otherwise the scratch it was promised is spoilt.
bool only_asks(Scratch* scratch) {
  if (scratch->memory == nullptr) {
    scratch->bytes = kScratch;
    return true;
  }
  require(scratch->bytes >= kScratch, "a collective call: {} bytes of scratch, {} were asked for",
          scratch->bytes, kScratch);
  std::memset(scratch->memory, 0xFF, kScratch);
  return false;
}

}  // namespace

void sort_descending(Scratch* scratch, TwoBuffers<double>* keys, std::int64_t count, cudaStream_t stream) {
  if (only_asks(scratch)) return;
  std::swap(keys->values, keys->other);  // CUB may leave its result in either
  emulation::enqueue(stream, [from = keys->other, to = keys->values, count] {
    std::copy(from, from + count, to);
    std::sort(to, to + count, std::greater<>());
    std::memset(from, 0xFF, static_cast<std::size_t>(count) * sizeof(double));
  });
}

void sort_descending(Scratch* scratch, TwoBuffers<double>* keys, TwoBuffers<std::uint8_t>* labels,
                     std::int64_t count, cudaStream_t stream) {
  if (only_asks(scratch)) return;
  std::swap(keys->values, keys->other);
  std::swap(labels->values, labels->other);
  emulation::enqueue(stream, [k = *keys, l = *labels, count] {
    std::vector<std::int64_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return k.other[a] > k.other[b]; });
    for (std::int64_t i = 0; i < count; ++i) {
      k.values[i] = k.other[order[static_cast<std::size_t>(i)]];
      l.values[i] = l.other[order[static_cast<std::size_t>(i)]];
    }
    std::memset(k.other, 0xFF, static_cast<std::size_t>(count) * sizeof(double));
    std::memset(l.other, 0xFF, static_cast<std::size_t>(count));
  });
}

void count_up(Scratch* scratch, const std::uint8_t* labels, std::int32_t* sums, std::int64_t count,
              cudaStream_t stream) {
  if (only_asks(scratch)) return;
  emulation::enqueue(stream, [=] {
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sums[i] = sum += labels[i] != 0 ? 1 : 0;
  });
}

void select_places(Scratch* scratch, const std::uint8_t* flags, std::int64_t count, std::int32_t* places,
                   std::int64_t* found, cudaStream_t stream) {
  if (only_asks(scratch)) return;
  emulation::enqueue(stream, [=] {
    *found = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      if (flags[i] != 0) places[(*found)++] = static_cast<std::int32_t>(i);
    }
  });
}

void select_above(Scratch* scratch, const double* values, std::int64_t count, double bar, double* above,
                  std::int64_t* found, cudaStream_t stream) {
  if (only_asks(scratch)) return;
  emulation::enqueue(stream, [=] {
    *found = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      if (values[i] > bar) above[(*found)++] = values[i];
    }
  });
}

}  // namespace qcface::nn::cuda
