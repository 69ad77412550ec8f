#include "nn/cuda/cuda_backend.h"

#include <qcface/kernels.h>

#include "core/error.h"
#include "nn/cuda/convert.h"
#include "nn/cuda/finite.h"
#include "nn/cuda/image.h"
#include "nn/cuda/step_control.h"
#include "nn/cuda/step_queue.h"
#include "nn/cuda/update.h"
#include "nn/cuda/usable_device.h"

namespace qcface::nn::cuda {
namespace {

StorageType storage_of(Precision precision) {
  return precision == Precision::kFp32   ? StorageType::kF32
         : precision == Precision::kBf16 ? StorageType::kBf16
                                         : StorageType::kF16;
}

void free_device(void* data, std::size_t) { cudaFree(data); }

}  // namespace

std::string to_string(const ConvolutionShape& s) {
  return fmt::format("convolution {}x{} stride {} padding {}, [{}, {}, {}, {}] to {} channels, {}", s.kernel,
                     s.kernel, s.stride, s.padding, s.n, s.h, s.w, s.c, s.k, name_of(s.type));
}

CudaBackend::CudaBackend(const CudaOptions& options)
    : options_(options), type_(storage_of(options.precision)) {
  device_name_ = use_device(options.device_index).name;
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CUDA stream");
  try {
    products_ = std::make_unique<MatrixProducts>(stream_,
                                                 options.tf32);  // before cuDNN, which looks for cuBLASLt too
    convolutions_ = make_convolution_library(stream_, options.tf32);
    dropout_ = allocate(sizeof(DropoutRecord), "dropout record");
  } catch (...) {
    cudaStreamDestroy(stream_);
    throw;
  }
}

CudaBackend::~CudaBackend() {
  communication_.reset();
  convolutions_.reset();
  products_.reset();
  cudaStreamDestroy(stream_);
}

std::string CudaBackend::name() const {
  return fmt::format("{}, {}, {}, {}{}", device_name_, name_of(type_), convolutions_->name(),
                     products_->name(), options_.tf32 ? ", TF32" : "");
}

void CudaBackend::make_current() const { check_cuda(cudaSetDevice(options_.device_index), "CUDA device"); }

void CudaBackend::synchronize() const { check_cuda(cudaStreamSynchronize(stream_), "CUDA stream"); }

void* CudaBackend::communication_stream() {
  if (!communication_) {
    make_current();
    communication_ = std::make_unique<SideStream>();
  }
  return communication_->stream();
}

void CudaBackend::fork_communication() {
  communication_stream();
  communication_->fork_from(stream_);
}

void CudaBackend::join_communication() {
  if (communication_) communication_->join_into(stream_);
}

Memory CudaBackend::allocate(std::size_t bytes, const std::string& what) const {
  if (bytes == 0) return {};
  void* data = nullptr;
  if (cudaMalloc(&data, bytes) != cudaSuccess) {
    cudaGetLastError();  // the failure is told here
    std::size_t left = 0, total = 0;
    if (cudaMemGetInfo(&left, &total) != cudaSuccess) left = 0;
    fail("out of GPU memory: {} MiB for {}, {} MiB are free; use a smaller batch", bytes >> 20, what,
         left >> 20);
  }
  Memory memory(data, bytes, free_device);
  check_cuda(cudaMemsetAsync(data, 0, bytes, stream_), "clearing memory");
  return memory;
}

void CudaBackend::copy_to_device(void* device, const void* host, std::size_t bytes) const {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
  synchronize();
}

void CudaBackend::copy_to_host(void* host, const void* device, std::size_t bytes) const {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "copy to the host");
  synchronize();
}

void CudaBackend::refresh_working(const float* weights, void* working, std::size_t count) const {
  cast(static_cast<std::int64_t>(count), StorageType::kF32, weights, type_, working, stream_);
}

std::unique_ptr<ParameterLayout> CudaBackend::weight_layout(const LoweredGraph& graph,
                                                            const Layer& layer) const {
  return layer.kind == LayerKind::kConv ? make_conv_layout(*this, graph, layer) : nullptr;
}

ValueLayout layout_of(const Value& value, StorageType type, int n) {
  const Shape& s = value.shape;
  ValueLayout layout;
  layout.type = s.flat ? StorageType::kF32 : type;
  layout.channels_last = value.images || value.layout == Layout::kPacked;
  layout.n = n;
  layout.pixels = std::int64_t{s.height} * s.width;
  layout.channels = s.channels;
  layout.padded = value.images && layout.type != StorageType::kF32 ? (s.channels + 7) / 8 * 8 : s.channels;
  return layout;
}

std::size_t CudaBackend::value_bytes(const Value& value, int n) const {
  const ValueLayout v = layout(value, n);
  return static_cast<std::size_t>(v.count()) * bytes_of(v.type);
}

float* CudaBackend::staging(std::size_t count) const {
  if (staging_.bytes() < count * sizeof(float)) {
    staging_ = Memory();
    staging_ = allocate(count * sizeof(float), "staging");
  }
  return reinterpret_cast<float*>(staging_.data());
}

void CudaBackend::import_value(const Value& value, int n, const float* canonical, void* device) const {
  const std::size_t count = static_cast<std::size_t>(n) * value.shape.elements();
  float* const stage = staging(count);
  copy_to_device(stage, canonical, count * sizeof(float));
  DeviceImages images;
  images.canonical = stage;
  import_images(value, n, images, device);
}

void CudaBackend::export_value(const Value& value, int n, const void* device, float* canonical) const {
  const ValueLayout v = layout(value, n);
  const std::size_t count = static_cast<std::size_t>(n) * value.shape.elements();
  float* const stage = staging(count);
  if (v.channels_last) {
    nhwc_to_nchw(v.type, v.n, v.pixels, v.channels, v.padded, device, stage, stream_);
  } else {
    cast(v.count(), v.type, device, StorageType::kF32, stage, stream_);
  }
  copy_to_host(canonical, stage, count * sizeof(float));
}

void CudaBackend::import_images(const Value& value, int n, const DeviceImages& images, void* device) const {
  const ValueLayout v = layout(value, n);
  require((images.pixels != nullptr) != (images.canonical != nullptr),
          "{}: images are given as pixels or as fp32 values, one of the two", value.name);
  if (images.pixels != nullptr) {
    require(v.channels == 3 && v.channels_last && images.normalisation != nullptr,
            "{}: pixels need an input of 3 channels that convolutions read, and a normalisation table; this "
            "one is {}",
            value.name, to_string(value.shape));
    return images_to_nhwc(v.type, v.rows(), v.padded, images.pixels, images.normalisation, device, stream_);
  }
  if (v.channels_last) {
    nchw_to_nhwc(v.type, v.n, v.pixels, v.channels, v.padded, images.canonical, device, stream_);
  } else {
    cast(v.count(), StorageType::kF32, images.canonical, v.type, device, stream_);
  }
}

void CudaBackend::import_gradient(const Value& value, int n, const float* gradient, const float* scale,
                                  void* device) const {
  const ValueLayout v = layout(value, n);
  require(value.shape.flat, "{}: its gradient is taken from device memory for vectors only; this is {}",
          value.name, to_string(value.shape));
  scale_values(v.count(), gradient, scale, static_cast<float*>(device), stream_);
}

void CudaBackend::export_rows(const Value& value, int n, const void* device, float* rows) const {
  require(value.shape.flat, "{}: only vectors are handed out in device memory; this is {}", value.name,
          to_string(value.shape));
  copy(rows, device, value_bytes(value, n));
}

void CudaBackend::accumulate(const Value& value, int n, void* target, const void* source) const {
  const ValueLayout v = layout(value, n);
  cuda::add(v.type, v.count(), target, source, stream_);
}

const DropoutRecord* CudaBackend::dropout_record(const DropoutKey& key) const {
  if (key.record != nullptr) return key.record;
  copy_to_device(dropout_.data(), &key.drawn, sizeof key.drawn);
  return reinterpret_cast<const DropoutRecord*>(dropout_.data());
}

void CudaBackend::bind(qcf_context* context) const {
  context->device = QCF_DEVICE_CUDA;
  context->device_index = options_.device_index;
  context->stream = stream_;
  context->tf32 = options_.tf32 ? 1 : 0;
}

void CudaBackend::copy(void* to, const void* from, std::size_t bytes) const {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy on the device");
}

void CudaBackend::fill(void* memory, unsigned char byte, std::size_t bytes) const {
  check_cuda(cudaMemsetAsync(memory, byte, bytes, stream_), "filling memory");
}

void CudaBackend::add(float* sum, const float* values, std::size_t count) const {
  cuda::add(StorageType::kF32, static_cast<std::int64_t>(count), sum, values, stream_);
}

void CudaBackend::check_finite(const float* values, std::size_t count, FiniteRecord* record) const {
  cuda::check_finite(StorageType::kF32, static_cast<std::int64_t>(count), values, 0, record, stream_);
}

void CudaBackend::settle_update(const float* gradients, std::size_t count, bool scales_loss,
                                StepControl* control) const {
  reset_finite_record(&control->gradients, stream_);
  check_finite(gradients, count, &control->gradients);
  if (scales_loss) {
    update_loss_scale(&control->gradients, &control->scale, &control->applied_scale, stream_);
  } else {
    skip_if_not_finite(&control->gradients, &control->scale.skip, stream_);
  }
  skip_if_not_finite(&control->embeddings, &control->scale.skip, stream_);
}

void CudaBackend::update(const OptimiserSettings& settings, const UpdateCall& call) const {
  update_weights(settings, call, type_, stream_);
}

std::unique_ptr<StepQueue> CudaBackend::make_step_queue(std::size_t input_bytes, const void* results,
                                                        std::size_t result_bytes, bool recorded) const {
  return make_cuda_step_queue(*this, input_bytes, results, result_bytes, recorded);
}

std::unique_ptr<CompiledLayer> CudaBackend::compile(const LoweredGraph& graph, const Layer& layer,
                                                    ParameterStore& parameters,
                                                    const CompileOptions& options) {
  switch (layer.kind) {
    case LayerKind::kConv:
      return make_conv(*this, graph, layer, parameters, options);
    case LayerKind::kPointwise:
      return make_pointwise(*this, graph, layer, parameters, options);
    case LayerKind::kCopy:
      return make_copy(*this, graph, layer, options);
    case LayerKind::kFullyConnected:
      return make_fully_connected(*this, graph, layer, parameters, options);
  }
  fail("{}: unknown kind of layer", layer.name);
}

}  // namespace qcface::nn::cuda
