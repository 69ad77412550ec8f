// One convolution at one shape, behind which a library (cuDNN) or, in builds that emulate the device, plain loops do the
// work:
//   y[n, p, q, k]  = sum over r, s, c of  x[n, p stride + r - padding, q stride + s - padding, c] w[k, r, s, c]
// All arrays are dense and channels-last: x [N, H, W, C], w [K, R, S, C], y [N, P, Q, K]; elements outside the image
// count as 0. Sums are fp32, rounded once to the storage type.
#pragma once

#include <compare>
#include <memory>
#include <string>

#include "kernels/device/runtime.h"
#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

/// No algorithm takes more workspace than this; the arena holds one such workspace at a time.
inline constexpr std::size_t kConvolutionWorkspaceLimit = std::size_t{512} << 20;

struct ConvolutionShape {
  StorageType type = StorageType::kF32;  // of x, w, y and their gradients
  int n = 1, h = 1, w = 1, c = 1;
  int k = 1, kernel = 1, stride = 1, padding = 0;

  int out_h() const { return (h + 2 * padding - kernel) / stride + 1; }
  int out_w() const { return (w + 2 * padding - kernel) / stride + 1; }
  auto operator<=>(const ConvolutionShape&) const = default;
};
std::string to_string(const ConvolutionShape& shape);

class Convolution {
 public:
  virtual ~Convolution() = default;
  // Bytes of workspace, 256-byte aligned, that each call wants. Asking chooses the algorithm of that call, which may
  // take a while and use the device: ask before a stream is captured.
  virtual std::size_t forward_bytes() const = 0;
  virtual std::size_t backward_data_bytes() const = 0;
  virtual std::size_t backward_weights_bytes() const = 0;
  // Enqueued on the library's stream; all pointers are device memory and outputs are overwritten. The same inputs give
  // the same bits.
  virtual void forward(const void* x, const void* w, void* y, void* workspace) = 0;
  virtual void backward_data(const void* w, const void* dy, void* dx, void* workspace) = 0;
  virtual void backward_weights(const void* x, const void* dy, void* dw, void* workspace) = 0;

  // Forward that also leaves, for each channel of y, the sum and then the sum of squares: fp32 [2, K]. Only where
  // gives_sums() says so.
  virtual bool gives_sums() const { return false; }
  virtual std::size_t forward_sums_bytes() const { return 0; }
  virtual void forward_sums(const void* x, const void* w, void* y, float* sums, void* workspace);
};

class ConvolutionLibrary {
 public:
  virtual ~ConvolutionLibrary() = default;
  virtual std::string name() const = 0;  // "cuDNN 9.19.0"
  /// Algorithms are chosen once a shape; later calls give the same object.
  /// Throws Error naming the shape.
  virtual std::shared_ptr<Convolution> find(const ConvolutionShape& shape) = 0;
};

/// tf32: fp32 convolutions may round their operands to TF32. `stream` is borrowed.
std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t stream, bool tf32);

/// The same through cuDNN's older functions, one a pass.
std::unique_ptr<ConvolutionLibrary> make_legacy_convolutions(cudaStream_t stream, bool tf32);

}  // namespace qcface::nn::cuda
