// The CUDA backend: convolutions by cuDNN, the fully connected layer by cuBLASLt, everything between them by our own
// fused kernels. In builds that emulate the device (QCF_EMULATE) plain loops stand in for the two libraries and the
// kernels run on the host.
//
// Layouts. Packed values and images are channels-last [N, H, W, C'], other plain values canonical [N, C, H, W]. C' = C,
// but images in a 16-bit type are padded with zero channels to a multiple of 8, and so are the weights of the
// convolutions that read them ([K, R, S, C'], the padding stays 0).
// Types. Images and what is between convolutions have the type of the precision; vectors (the embedding and what the
// last fully connected layer gives) are fp32 always.
#pragma once

#include <memory>
#include <string>

#include "kernels/device/runtime.h"
#include "nn/backend.h"
#include "nn/cuda/check.h"
#include "nn/cuda/convolution.h"
#include "nn/cuda/flatten.h"
#include "nn/cuda/matrix_product.h"
#include "nn/cuda/side_stream.h"
#include "nn/cuda/storage.h"
#include "nn/parameters.h"

namespace qcface::nn::cuda {

/// Values of one type in memory, as cuDNN would have them.
struct ValueLayout {
  StorageType type = StorageType::kF32;
  bool channels_last = true;
  std::int64_t n = 0, pixels = 1;
  int channels = 0, padded = 0;
  std::int64_t rows() const { return n * pixels; }
  std::int64_t count() const { return rows() * padded; }
};

/// How the backend keeps a value whose images and packed values have this type.
ValueLayout layout_of(const Value& value, StorageType type, int n);
/// What a convolution layer asks of the library at that type and batch size.
ConvolutionShape convolution_shape(const LoweredGraph& graph, const Layer& layer, StorageType type, int n);

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options);
  ~CudaBackend() override;

  std::string name() const override;
  const char* device() const override { return "cuda"; }
  bool on_host() const override { return false; }
  std::size_t alignment() const override { return 256; }
  std::size_t working_bytes() const override { return type_ == StorageType::kF32 ? 0 : bytes_of(type_); }
  void refresh_working(const float* weights, void* working, std::size_t count) const override;
  Memory allocate(std::size_t bytes, const std::string& what) const override;
  void copy_to_device(void* device, const void* host, std::size_t bytes) const override;
  void copy_to_host(void* host, const void* device, std::size_t bytes) const override;
  std::unique_ptr<ParameterLayout> weight_layout(const LoweredGraph& graph,
                                                 const Layer& layer) const override;
  std::size_t value_bytes(const Value& value, int n) const override;
  void import_value(const Value& value, int n, const float* canonical, void* device) const override;
  void export_value(const Value& value, int n, const void* device, float* canonical) const override;
  void accumulate(const Value& value, int n, void* target, const void* source) const override;
  void import_images(const Value& value, int n, const DeviceImages& images, void* device) const override;
  void import_gradient(const Value& value, int n, const float* gradient, const float* scale,
                       void* device) const override;
  void export_rows(const Value& value, int n, const void* device, float* rows) const override;
  std::unique_ptr<CompiledLayer> compile(const LoweredGraph& graph, const Layer& layer,
                                         ParameterStore& parameters, const CompileOptions& options) override;
  void begin() override { make_current(); }
  void make_current() const;
  void* stream_handle() const override { return stream_; }
  void synchronize() const override;
  void* communication_stream() override;
  void fork_communication() override;
  void join_communication() override;
  Precision precision() const override { return options_.precision; }
  void bind(qcf_context* context) const override;
  void copy(void* to, const void* from, std::size_t bytes) const override;
  void fill(void* memory, unsigned char byte, std::size_t bytes) const override;
  void add(float* sum, const float* values, std::size_t count) const override;
  void check_finite(const float* values, std::size_t count, FiniteRecord* record) const override;
  void settle_update(const float* gradients, std::size_t count, bool scales_loss,
                     StepControl* control) const override;
  void update(const OptimiserSettings& settings, const UpdateCall& call) const override;
  std::unique_ptr<StepQueue> make_step_queue(std::size_t input_bytes, const void* results,
                                             std::size_t result_bytes, bool recorded) const override;
  void share_batch_norm(Communicator& communicator) override { ranks_ = &communicator; }

  /// Those that batch norm's statistics are shared with; null: they are of this rank's samples.
  Communicator* ranks() const { return ranks_; }
  cudaStream_t stream() const { return stream_; }
  StorageType type() const { return type_; }
  ConvolutionLibrary& convolutions() const { return *convolutions_; }
  MatrixProducts& products() const { return *products_; }
  ValueLayout layout(const Value& value, int n) const { return layout_of(value, type_, n); }
  /// The record that dropout reads in this run: the key's own, or ours, filled from the key.
  const DropoutRecord* dropout_record(const DropoutKey& key) const;

 private:
  float* staging(std::size_t count) const;

  CudaOptions options_;
  StorageType type_;
  std::string device_name_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<SideStream> communication_;
  std::unique_ptr<ConvolutionLibrary> convolutions_;
  std::unique_ptr<MatrixProducts> products_;
  Communicator* ranks_ = nullptr;
  mutable Memory staging_, dropout_;
};

inline std::size_t aligned_bytes(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
inline std::byte* offset(void* memory, std::size_t bytes) { return static_cast<std::byte*>(memory) + bytes; }

std::unique_ptr<CompiledLayer> make_conv(const CudaBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, ParameterStore& parameters,
                                         const CompileOptions& options);
std::unique_ptr<ParameterLayout> make_conv_layout(const CudaBackend& backend, const LoweredGraph& graph,
                                                  const Layer& layer);
std::unique_ptr<CompiledLayer> make_fully_connected(const CudaBackend& backend, const LoweredGraph& graph,
                                                    const Layer& layer, ParameterStore& parameters,
                                                    const CompileOptions& options);
std::unique_ptr<CompiledLayer> make_pointwise(const CudaBackend& backend, const LoweredGraph& graph,
                                              const Layer& layer, ParameterStore& parameters,
                                              const CompileOptions& options);
std::unique_ptr<CompiledLayer> make_copy(const CudaBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, const CompileOptions& options);

}  // namespace qcface::nn::cuda
