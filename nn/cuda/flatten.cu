// Dropout of whole planes and the change from NHWC to channel-major vectors, and back.
//
// Bytes moved: reads x once, writes y once, 2 n C pixels sizeof(T), in either direction; the mask is n C
// bytes.
#include "nn/cuda/flatten.h"

#include <cmath>

#include "core/random.h"
#include "kernels/device/philox.cuh"
#include "nn/cuda/flat.cuh"
#include "nn/cuda/transpose.cuh"

namespace qcface::nn::cuda {
namespace {

using qcface::cuda::PhiloxBlock;
using qcface::cuda::stream_block;

/// A thread draws one block of four words. The words are numbered over the whole batch of all ranks;
/// `threshold` is compared with a word, 2^32 included.
__global__ __launch_bounds__(kFlatThreads) void mask_kernel(std::int64_t n, int channels,
                                                            std::uint64_t threshold,
                                                            const DropoutRecord* __restrict__ record,
                                                            std::uint8_t* __restrict__ keep) {
  const std::int64_t first = record->first_row * channels, end = first + n * channels;
  for (std::int64_t block = first / 4 + flat_thread(); 4 * block < end; block += flat_threads()) {
    const PhiloxBlock words = stream_block(record->seed, static_cast<std::uint32_t>(RandomPurpose::kDropout),
                                           record->epoch, record->step, static_cast<std::uint64_t>(block));
    QCF_UNROLL
    for (int i = 0; i < 4; ++i) {
      const std::int64_t word = 4 * block + i;
      if (word >= first && word < end) keep[word - first] = words.word[i] >= threshold ? 1 : 0;
    }
  }
}

template <class T, int V>
__global__ __launch_bounds__(kFlatThreads) void drop_kernel(std::int64_t vectors, std::int64_t pixels,
                                                            int channels, const T* x,
                                                            const std::uint8_t* __restrict__ keep,
                                                            float survivor, T* y) {
  const int row_vectors = channels / V;
  for (std::int64_t i = flat_thread(); i < vectors; i += flat_threads()) {
    const std::int64_t row = i / row_vectors;
    const std::uint8_t* const mask = keep + row / pixels * channels + (i - row * row_vectors) * V;
    const auto values = load_pack<T, V>(x + i * V);
    float out[V];
    QCF_UNROLL
    for (int k = 0; k < V; ++k) out[k] = values.get(k) * (mask[k] ? survivor : 0.0f);
    store(y + i * V, narrow_pack<T, V>(out));
  }
}

float survivor_of(double drop, const char* function) {
  require_call(drop >= 0 && drop < 1, function, "the probability of dropping must be in [0, 1)");
  return static_cast<float>(1 / (1 - drop));
}

TransposeArguments arguments_of(std::int64_t n, std::int64_t pixels, int channels, const std::uint8_t* keep,
                                double drop, const char* function) {
  require_call(n >= 0 && pixels >= 0 && channels > 0, function, "sizes must not be negative");
  return {n, pixels, channels, channels, keep, survivor_of(drop, function)};
}

}  // namespace

void draw_dropout_mask(std::int64_t n, int channels, double drop, const DropoutRecord* record,
                       std::uint8_t* keep, cudaStream_t stream) {
  constexpr const char* kName = "draw_dropout_mask";
  require_call(n >= 0 && channels > 0, kName, "sizes must not be negative");
  require_call(drop >= 0 && drop < 1, kName, "the probability of dropping must be in [0, 1)");
  if (n == 0) return;
  check_pointer(record, kName, "record");
  check_pointer(keep, kName, "keep");
  const auto threshold = static_cast<std::uint64_t>(std::ceil(drop * 0x1p32));
  check_launch(qcface::cuda::launch(mask_kernel, flat_grid(n * channels / 4 + 2), dim3(kFlatThreads), 0,
                                    stream, n, channels, threshold, record, keep),
               kName);
}

void flatten(StorageType type, std::int64_t n, std::int64_t pixels, int channels, const void* x,
             const std::uint8_t* keep, double drop, void* y, cudaStream_t stream) {
  constexpr const char* kName = "flatten";
  const TransposeArguments t = arguments_of(n, pixels, channels, keep, drop, kName);
  if (n == 0 || pixels == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(y, kName, "y");
  with_type(type, kName, [&](auto value) {
    using T = decltype(value);
    launch_to_planes<T, T>(x, y, t, stream, kName);
  });
}

void flatten_backward(StorageType type, std::int64_t n, std::int64_t pixels, int channels, const void* dy,
                      const std::uint8_t* keep, double drop, void* dx, cudaStream_t stream) {
  constexpr const char* kName = "flatten_backward";
  const TransposeArguments t = arguments_of(n, pixels, channels, keep, drop, kName);
  if (n == 0 || pixels == 0) return;
  check_pointer(dy, kName, "dy");
  check_pointer(dx, kName, "dx");
  with_type(type, kName, [&](auto value) {
    using T = decltype(value);
    launch_from_planes<T, T>(dy, dx, t, stream, kName);
  });
}

void drop_planes(StorageType type, std::int64_t n, std::int64_t pixels, int channels, const void* x,
                 const std::uint8_t* keep, double drop, void* y, cudaStream_t stream) {
  constexpr const char* kName = "drop_planes";
  require_call(n >= 0 && pixels >= 0 && channels > 0, kName, "sizes must not be negative");
  const float survivor = survivor_of(drop, kName);
  if (n == 0 || pixels == 0) return;
  check_pointer(x, kName, "x");
  check_pointer(keep, kName, "keep");
  check_pointer(y, kName, "y");
  with_type_and_vector(type, vector_width(type, channels), kName, [&](auto value, auto vector) {
    using T = decltype(value);
    constexpr int kVector = decltype(vector)::value;
    const std::int64_t vectors = n * pixels * (channels / kVector);
    check_launch(qcface::cuda::launch(drop_kernel<T, kVector>, flat_grid(vectors), dim3(kFlatThreads), 0,
                                      stream, vectors, pixels, channels, static_cast<const T*>(x), keep,
                                      survivor, static_cast<T*>(y)),
                 kName);
  });
}

}  // namespace qcface::nn::cuda
