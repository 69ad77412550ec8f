// 8-bit RGB to normalised NHWC by a table of 3 x 256 values.
//
// Bytes moved: reads 3, writes channels * sizeof(T) bytes a pixel. A block reads its pixels as whole words
// into shared memory; then a thread turns pixels into rows, one store of 16 bytes each where the row has that
// size (8 channels of a 16-bit type, 4 of fp32).
#include <cmath>

#include "nn/cuda/flat.cuh"
#include "nn/cuda/image.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::int64_t kBlocks = 512;  // more pixels take turns, so that the table is read a few times only
constexpr int kPixels = 4 * kFlatThreads;  // a block and turn: 3072 bytes, a multiple of 16

constexpr int kTable = 3 * 256;

template <class T, int V>
__global__ __launch_bounds__(kFlatThreads) void images_kernel(std::int64_t count, int channels,
                                                              const std::uint8_t* __restrict__ pixels,
                                                              const float* __restrict__ table,
                                                              T* __restrict__ y) {
  QCF_SHARED(float, values, kTable);
  QCF_SHARED(std::uint8_t, bytes, 3 * kPixels);
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < kTable; i += kFlatThreads) values[i] = table[i];
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kPixels; first < count;
       first += static_cast<std::int64_t>(gridDim.x) * kPixels) {
    const int here = static_cast<int>(min(static_cast<std::int64_t>(kPixels), count - first));
    const std::uint8_t* const from = pixels + 3 * first;
    const int words = 3 * here / 16;
    for (int i = thread; i < words; i += kFlatThreads) {
      const auto word = load_pack<std::uint8_t, 16>(from + 16 * i);
      QCF_UNROLL
      for (int k = 0; k < 16; ++k) bytes[16 * i + k] = word.values[k];
    }
    for (int i = 16 * words + thread; i < 3 * here; i += kFlatThreads) bytes[i] = from[i];
    __syncthreads();
    for (int pixel = thread; pixel < here; pixel += kFlatThreads) {
      const float rgb[3] = {values[bytes[3 * pixel]], values[256 + bytes[3 * pixel + 1]],
                            values[512 + bytes[3 * pixel + 2]]};
      T* const row = y + (first + pixel) * channels;
      if constexpr (V == 1) {
        for (int c = 0; c < channels; ++c) row[c] = qcface::cuda::from_float<T>(c < 3 ? rgb[c] : 0.0f);
      } else {
        for (int c = 0; c < channels; c += V) {
          float out[V];
          QCF_UNROLL
          for (int k = 0; k < V; ++k) out[k] = k < 3 && c == 0 ? rgb[k < 3 ? k : 0] : 0.0f;
          store(row + c, narrow_pack<T, V>(out));
        }
      }
    }
    __syncthreads();  // before the next pixels overwrite these
  }
}

}  // namespace

void images_to_nhwc(StorageType type, std::int64_t count, int channels, const std::uint8_t* pixels,
                    const float* table, void* y, cudaStream_t stream) {
  constexpr const char* kName = "images_to_nhwc";
  require_call(count >= 0 && channels >= 3, kName,
               "count must not be negative and channels must be 3 or more");
  if (count == 0) return;
  check_pointer(pixels, kName, "pixels");
  check_pointer(table, kName, "table");
  check_pointer(y, kName, "y");
  const std::int64_t blocks = (count + kPixels - 1) / kPixels;
  const dim3 grid(static_cast<unsigned>(std::min(blocks, kBlocks)));
  with_type_and_vector(type, vector_width(type, channels), kName, [&](auto value, auto vector) {
    using T = decltype(value);
    check_launch(qcface::cuda::launch(images_kernel<T, decltype(vector)::value>, grid, dim3(kFlatThreads), 0,
                                      stream, count, channels, pixels, table, static_cast<T*>(y)),
                 kName);
  });
}

}  // namespace qcface::nn::cuda
