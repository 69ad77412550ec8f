// Tiles that change NHWC [n, pixels, padded] into planes [n, channels, pixels] and back through shared
// memory. Blocks: x = tile of 64 pixels, y = tile of 32 channels, z = sample (in strides of gridDim.z).
//
// The NHWC side moves 16 bytes a thread where the rows allow it. The plane side moves neighbouring pixels by
// neighbouring threads; where one tile holds all pixels (7 x 7 = 49), the planes of its channels are one
// contiguous stretch, which is then moved as such, so that short planes cost no idle threads.
#pragma once

#include "nn/cuda/values.cuh"

namespace qcface::nn::cuda {

inline constexpr int kTilePixels = 64;
inline constexpr int kTileChannels = 32;
inline constexpr int kTilePitch = kTileChannels + 1;  // pixels of one channel fall into different banks
inline constexpr int kTileThreads = 256;
inline constexpr std::int64_t kTileSamples = 64;  // blocks across samples; more samples take turns

struct TransposeArguments {
  std::int64_t n, pixels;
  int channels;              // of the planes
  int padded;                // of an NHWC row, >= channels
  const std::uint8_t* keep;  // [n, channels], null: all
  float survivor;            // factor where keep is 1
};

struct Tile {
  std::int64_t pixel;  // first
  int channel;         // first
  int pixels;          // real ones
  int channels;        // of the planes; may be 0 in a tile of nothing but padding
};

__device__ __forceinline__ Tile tile_of_block(const TransposeArguments& t) {
  Tile tile;
  tile.pixel = static_cast<std::int64_t>(blockIdx.x) * kTilePixels;
  tile.channel = static_cast<int>(blockIdx.y) * kTileChannels;
  tile.pixels = static_cast<int>(min(static_cast<std::int64_t>(kTilePixels), t.pixels - tile.pixel));
  tile.channels = max(0, min(kTileChannels, t.channels - tile.channel));
  return tile;
}

__device__ __forceinline__ float plane_scale(const TransposeArguments& t, std::int64_t sample, int channel) {
  if (!t.keep) return 1.0f;
  return t.keep[sample * t.channels + channel] ? t.survivor : 0.0f;
}

template <class In, class Out, int V>
__global__ __launch_bounds__(kTileThreads) void to_planes_kernel(const In* __restrict__ x,
                                                                 Out* __restrict__ y, TransposeArguments t) {
  QCF_SHARED(float, shared, kTilePixels* kTilePitch);
  const Tile tile = tile_of_block(t);
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t sample = blockIdx.z; sample < t.n; sample += gridDim.z) {
    constexpr int kVectors = kTileChannels / V;
    for (int i = thread; i < tile.pixels * kVectors; i += kTileThreads) {
      const int pixel = i / kVectors, channel = i % kVectors * V;
      if (channel >= tile.channels) continue;
      const auto values =
          load_pack<In, V>(x + (sample * t.pixels + tile.pixel + pixel) * t.padded + tile.channel + channel);
      QCF_UNROLL
      for (int k = 0; k < V; ++k) shared[pixel * kTilePitch + channel + k] = values.get(k);
    }
    __syncthreads();
    for (int i = thread; i < tile.channels * tile.pixels; i += kTileThreads) {
      const int channel = i / tile.pixels, pixel = i % tile.pixels;
      const float v = shared[pixel * kTilePitch + channel];
      const int c = tile.channel + channel;
      y[(sample * t.channels + c) * t.pixels + tile.pixel + pixel] =
          qcface::cuda::from_float<Out>(v * plane_scale(t, sample, c));
    }
    __syncthreads();  // before the next sample overwrites the tile
  }
}

template <class In, class Out, int V>
__global__ __launch_bounds__(kTileThreads) void from_planes_kernel(const In* __restrict__ x,
                                                                   Out* __restrict__ y,
                                                                   TransposeArguments t) {
  QCF_SHARED(float, shared, kTilePixels* kTilePitch);
  const Tile tile = tile_of_block(t);
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t sample = blockIdx.z; sample < t.n; sample += gridDim.z) {
    for (int i = thread; i < tile.channels * tile.pixels; i += kTileThreads) {
      const int channel = i / tile.pixels, pixel = i % tile.pixels;
      const int c = tile.channel + channel;
      const float v = qcface::cuda::to_float(x[(sample * t.channels + c) * t.pixels + tile.pixel + pixel]);
      shared[pixel * kTilePitch + channel] = v * plane_scale(t, sample, c);
    }
    __syncthreads();
    constexpr int kVectors = kTileChannels / V;
    for (int i = thread; i < tile.pixels * kVectors; i += kTileThreads) {
      const int pixel = i / kVectors, channel = i % kVectors * V;
      if (tile.channel + channel >= t.padded) continue;
      float values[V];
      QCF_UNROLL
      for (int k = 0; k < V; ++k) {
        values[k] = channel + k < tile.channels ? shared[pixel * kTilePitch + channel + k] : 0.0f;
      }
      store(y + (sample * t.pixels + tile.pixel + pixel) * t.padded + tile.channel + channel,
            narrow_pack<Out, V>(values));
    }
    __syncthreads();  // before the next sample overwrites the tile
  }
}

/// NHWC vectors of 16 bytes where every row starts at a multiple of 16.
template <class T>
bool wide_rows(int padded) {
  return padded % kWideVector<T> == 0;
}

inline dim3 transpose_grid(const TransposeArguments& t, int channels) {
  return dim3(static_cast<unsigned>((t.pixels + kTilePixels - 1) / kTilePixels),
              static_cast<unsigned>((channels + kTileChannels - 1) / kTileChannels),
              static_cast<unsigned>(t.n < kTileSamples ? t.n : kTileSamples));
}

template <class In, class Out>
void launch_to_planes(const void* x, void* y, const TransposeArguments& t, cudaStream_t stream,
                      const char* function) {
  // A vector that begins at a real channel may end in the padding: its tail is loaded, never used.
  auto* kernel =
      wide_rows<In>(t.padded) ? to_planes_kernel<In, Out, kWideVector<In>> : to_planes_kernel<In, Out, 1>;
  check_launch(qcface::cuda::launch(kernel, transpose_grid(t, t.channels), dim3(kTileThreads), 0, stream,
                                    static_cast<const In*>(x), static_cast<Out*>(y), t),
               function);
}

template <class In, class Out>
void launch_from_planes(const void* x, void* y, const TransposeArguments& t, cudaStream_t stream,
                        const char* function) {
  auto* kernel = wide_rows<Out>(t.padded) ? from_planes_kernel<In, Out, kWideVector<Out>>
                                          : from_planes_kernel<In, Out, 1>;
  check_launch(qcface::cuda::launch(kernel, transpose_grid(t, t.padded), dim3(kTileThreads), 0, stream,
                                    static_cast<const In*>(x), static_cast<Out*>(y), t),
               function);
}

}  // namespace qcface::nn::cuda
