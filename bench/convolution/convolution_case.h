// One convolution of the backbone with its arrays, and what its results must be by plain sums on the host. Every sample of a
// batch is the same picture, so that the host makes and checks one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/worse.h"
#include "nn/cuda/convolution.h"
#include "tests/support/device_buffer.h"

namespace qcface::bench {

using nn::cuda::Convolution;
using nn::cuda::ConvolutionLibrary;
using nn::cuda::ConvolutionShape;
using nn::cuda::StorageType;
using test::check_cuda;
using Bytes = test::DeviceBuffer<unsigned char>;

/// Small multiples of a half, which every type holds and whose sums fp32 does not round.
inline float value(std::size_t index, std::uint32_t salt) {
  auto h = static_cast<std::uint32_t>(index) * 0x9E3779B1u + salt * 0x85EBCA6Bu;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 13;
  return 0.5f * static_cast<float>(static_cast<int>(h % 5) - 2);
}

inline void store(StorageType type, float v, unsigned char* to) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &v, 4);
  if (type == StorageType::kF32) return void(std::memcpy(to, &bits, 4));
  auto half = static_cast<std::uint16_t>(bits >> 16);
  if (type == StorageType::kF16 && v != 0)  // normal numbers only: the exponent's bias is 15, not 127
    half = static_cast<std::uint16_t>((bits >> 16 & 0x8000) | ((bits >> 13 & 0x3FFFF) - (112u << 10)));
  std::memcpy(to, &half, 2);
}

inline double read(StorageType type, const unsigned char* from) {
  if (type == StorageType::kF16) {
    std::uint16_t half = 0;
    std::memcpy(&half, from, 2);
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) return NAN;
    const double size =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return half & 0x8000 ? -size : size;
  }
  std::uint32_t bits = 0;
  std::memcpy(reinterpret_cast<unsigned char*>(&bits) + 4 - bytes_of(type), from, bytes_of(type));
  float v = 0;
  std::memcpy(&v, &bits, 4);
  return static_cast<double>(v);
}

/// `copies` times the same values: the host makes one picture, not a batch.
inline Bytes filled(StorageType type, std::size_t count, int copies, std::uint32_t salt) {
  std::vector<unsigned char> one(count * bytes_of(type));
  for (std::size_t i = 0; i < count; ++i) store(type, value(i, salt), &one[i * bytes_of(type)]);
  Bytes all(one.size() * static_cast<std::size_t>(copies));
  for (int i = 0; i < copies; ++i) {
    check_cuda(cudaMemcpy(all.data() + static_cast<std::size_t>(i) * one.size(), one.data(), one.size(),
                          cudaMemcpyHostToDevice));
  }
  return all;
}

/// One convolution with its arrays, which hold the same picture for every sample.
class ConvolutionCase {
 public:
  ConvolutionCase(ConvolutionLibrary& library, const ConvolutionShape& shape)
      : s(shape),
        convolution(library.find(shape)),
        picture(static_cast<std::size_t>(s.h) * s.w * s.c),
        weights(static_cast<std::size_t>(s.k) * 9 * s.c),
        x(filled(s.type, picture, s.n, 1)),
        w(filled(s.type, weights, 1, 2)),
        dy(filled(s.type, picture, s.n, 3)),
        result(x.size()),
        dw(w.size()),
        workspace(std::max({convolution->forward_bytes(), convolution->backward_data_bytes(),
                            convolution->backward_weights_bytes(), std::size_t{1}})) {}

  void run(const std::string& kind) {
    if (kind == "forward") convolution->forward(x.data(), w.data(), result.data(), workspace.data());
    if (kind == "data") convolution->backward_data(w.data(), dy.data(), result.data(), workspace.data());
    if (kind == "weights") convolution->backward_weights(x.data(), dy.data(), dw.data(), workspace.data());
  }

  /// Of the last run: the largest difference from sums on the host, relative to the largest of them.
  double error(const std::string& kind) {
    check_cuda(cudaDeviceSynchronize());
    double worst = 0, largest = 0;
    for (int i = 0; i < 24; ++i) {
      const std::size_t count = kind == "weights" ? weights : picture;
      const std::size_t at = static_cast<std::size_t>(i) * 7919 % count;
      const std::size_t sample = kind == "weights" ? 0 : static_cast<std::size_t>(i) % s.n;
      unsigned char bytes[4];
      check_cuda(cudaMemcpy(
          bytes, (kind == "weights" ? dw : result).data() + (sample * picture + at) * bytes_of(s.type),
          bytes_of(s.type), cudaMemcpyDeviceToHost));
      const double want = kind == "weights" ? weight_sum(at) : pixel_sum(at, kind == "data");
      worst = worse(worst, std::fabs(read(s.type, bytes) - want));
      largest = std::max(largest, std::fabs(want));
    }
    return worst / largest;
  }

  const ConvolutionShape s;

 private:
  double pixel_sum(std::size_t at, bool transposed) const {
    const int channel = static_cast<int>(at % s.c), column = static_cast<int>(at / s.c % s.w),
              row = static_cast<int>(at / s.c / s.w);
    double sum = 0;
    for (int r = 0; r < 3; ++r) {
      for (int q = 0; q < 3; ++q) {
        const int y_at = row + (transposed ? 1 - r : r - 1), x_at = column + (transposed ? 1 - q : q - 1);
        if (y_at < 0 || y_at >= s.h || x_at < 0 || x_at >= s.w) continue;
        for (int c = 0; c < s.c; ++c) {
          const std::size_t weight = transposed
                                         ? ((static_cast<std::size_t>(c) * 3 + r) * 3 + q) * s.c + channel
                                         : ((static_cast<std::size_t>(channel) * 3 + r) * 3 + q) * s.c + c;
          const std::size_t pixel = (static_cast<std::size_t>(y_at) * s.w + x_at) * s.c + c;
          sum +=
              static_cast<double>(value(pixel, transposed ? 3 : 1)) * static_cast<double>(value(weight, 2));
        }
      }
    }
    return sum;
  }
  double weight_sum(std::size_t at) const {
    const int in = static_cast<int>(at % s.c), q = static_cast<int>(at / s.c % 3),
              r = static_cast<int>(at / s.c / 3 % 3), out = static_cast<int>(at / s.c / 9);
    double sum = 0;
    for (int row = std::max(0, 1 - r); row < std::min(s.h, s.h + 1 - r); ++row) {
      for (int column = std::max(0, 1 - q); column < std::min(s.w, s.w + 1 - q); ++column) {
        const std::size_t pixel = (static_cast<std::size_t>(row + r - 1) * s.w + column + q - 1) * s.c + in;
        const std::size_t gradient = (static_cast<std::size_t>(row) * s.w + column) * s.c + out;
        sum += static_cast<double>(value(pixel, 1)) * static_cast<double>(value(gradient, 3));
      }
    }
    return sum * s.n;
  }

  std::shared_ptr<Convolution> convolution;
  std::size_t picture, weights;
  Bytes x, w, dy, result, dw, workspace;
};

}  // namespace qcface::bench
