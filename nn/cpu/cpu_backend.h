// The CPU backend: convolutions and the fully connected layer by oneDNN, everything between them by our own
// fused loops over the same channel-blocked layout.
//
// Packed layout: [N][Cb][H * W][B], B channels a block (16 with AVX-512, else 8), Cb = ceil(C / B); channels past C
// are 0. A packed vector is the case H * W = 1: rows of Cb * B floats.
#pragma once

#include <memory>
#include <string>

#include "core/comm/communicator.h"
#include "nn/backend.h"
#include "nn/cpu/dnnl_compat.h"
#include "nn/cpu/pointwise_kernels.h"
#include "nn/parameters.h"

namespace qcface::nn::cpu {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads);

  std::string name() const override;
  const char* device() const override { return "cpu"; }
  Memory allocate(std::size_t bytes, const std::string& what) const override;
  void copy_to_device(void* device, const void* host, std::size_t bytes) const override;
  void copy_to_host(void* host, const void* device, std::size_t bytes) const override;
  std::unique_ptr<ParameterLayout> weight_layout(const LoweredGraph& graph,
                                                 const Layer& layer) const override;
  std::size_t value_bytes(const Value& value, int n) const override;
  void import_value(const Value& value, int n, const float* canonical, void* device) const override;
  void export_value(const Value& value, int n, const void* device, float* canonical) const override;
  void accumulate(const Value& value, int n, void* target, const void* source) const override;
  std::unique_ptr<CompiledLayer> compile(const LoweredGraph& graph, const Layer& layer,
                                         ParameterStore& parameters, const CompileOptions& options) override;
  void import_images(const Value& value, int n, const DeviceImages& images, void* device) const override;
  void import_gradient(const Value& value, int n, const float* gradient, const float* scale,
                       void* device) const override;
  void export_rows(const Value& value, int n, const void* device, float* rows) const override;
  void begin() override;
  void end() override;
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

  int threads() const { return threads_; }
  /// Those that batch norm's statistics are shared with; null: they are of this rank's samples.
  Communicator* ranks() const { return ranks_; }
  int block() const { return block_; }
  int blocks(int channels) const { return (channels + block_ - 1) / block_; }
  const PointwiseKernels& kernels() const { return *kernels_; }
  const dnnl::engine& engine() const { return engine_; }
  dnnl::stream& stream() const { return stream_; }
  /// Descriptor of a value in its own layout.
  dnnl::memory::desc descriptor(const Value& value, int n) const;

  /// plain [N, C, HW] <-> packed; scale: one factor a plane [N, C], or null.
  void pack(const Shape& shape, int n, const float* plain, float* packed, const float* scale) const;
  void unpack(const Shape& shape, int n, const float* packed, float* plain, const float* scale) const;

 private:
  int threads_ = 1;
  int outer_threads_ = 0;  // the caller's, between begin() and end()
  int block_ = 8;
  Communicator* ranks_ = nullptr;
  dnnl::engine engine_;
  mutable dnnl::stream stream_;
  const PointwiseKernels* kernels_ = nullptr;
};

std::unique_ptr<CompiledLayer> make_conv(const CpuBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, ParameterStore& parameters,
                                         const CompileOptions& options);
std::unique_ptr<ParameterLayout> make_conv_layout(const CpuBackend& backend, const LoweredGraph& graph,
                                                  const Layer& layer);
std::unique_ptr<CompiledLayer> make_fully_connected(const CpuBackend& backend, const LoweredGraph& graph,
                                                    const Layer& layer, ParameterStore& parameters,
                                                    const CompileOptions& options);
std::unique_ptr<CompiledLayer> make_pointwise(const CpuBackend& backend, const LoweredGraph& graph,
                                              const Layer& layer, ParameterStore& parameters,
                                              const CompileOptions& options);
std::unique_ptr<CompiledLayer> make_copy(const CpuBackend& backend, const LoweredGraph& graph,
                                         const Layer& layer, const CompileOptions& options);

}  // namespace qcface::nn::cpu
