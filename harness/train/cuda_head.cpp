#include "harness/train/cuda_head.h"

#include "core/error.h"

namespace qcface::train {
namespace {

qcf_type operand_type(nn::cuda::StorageType type) {
  return type == nn::cuda::StorageType::kF32    ? QCF_TYPE_F32
         : type == nn::cuda::StorageType::kBf16 ? QCF_TYPE_BF16
                                                : QCF_TYPE_F16;
}

float* floats(const nn::Memory& memory) { return reinterpret_cast<float*>(memory.data()); }

}  // namespace

CudaHead::CudaHead(const nn::cuda::CudaBackend& backend, const HeadOptions& options, std::int64_t classes,
                   std::int64_t width, float momentum, float weight_decay)
    : backend_(backend),
      context_(0, QCF_DEVICE_CUDA),
      config_(make_head_config(options)),
      classes_(classes),
      width_(width),
      type_(operand_type(backend.type())),
      momentum_(momentum),
      weight_decay_(weight_decay) {
  context_.get()->device_index = backend.options().device_index;
  context_.get()->stream = backend.stream();
  context_.get()->tf32 = backend.options().tf32 ? 1 : 0;
  const std::size_t count = static_cast<std::size_t>(classes) * static_cast<std::size_t>(width);
  weights_ = backend.allocate(count * sizeof(float), "class weights");
  velocity_ = backend.allocate(count * sizeof(float), "momentum of the class weights");
  if (type_ != QCF_TYPE_F32 && width % 8 == 0)
    unit_ = backend.allocate(count * bytes_of(backend.type()), "unit rows of the class weights");
  t_ = backend.allocate(sizeof(float), "state of the head");
  length_stats_ = backend.allocate(sizeof(std::array<float, 2>), "statistics of lengths");
  try {
    context_.check(qcf_cuda_open(context_.get()));
  } catch (const KernelError& error) {
    fail("head on CUDA: {}", error.what());
  }
}

CudaHead::~CudaHead() { qcf_cuda_close(context_.get()); }

void CudaHead::upload(Head& head) {
  backend_.copy_to_device(weights_.data(), head.weights().data(), head.weights().size_bytes());
  backend_.copy_to_device(velocity_.data(), head.momentum().data(), head.momentum().size_bytes());
  backend_.copy_to_device(t_.data(), &head.t(), sizeof(float));
  backend_.copy_to_device(length_stats_.data(), head.length_stats().data(), sizeof(head.length_stats()));
  refresh_unit_rows();
}

void CudaHead::download(Head& head) {
  backend_.copy_to_host(head.weights().data(), weights_.data(), head.weights().size_bytes());
  backend_.copy_to_host(head.momentum().data(), velocity_.data(), head.momentum().size_bytes());
  backend_.copy_to_host(&head.t(), t_.data(), sizeof(float));
  backend_.copy_to_host(head.length_stats().data(), length_stats_.data(), sizeof(head.length_stats()));
}

void CudaHead::refresh_unit_rows() {
  if (unit_.data() == nullptr) return;
  context_.check(qcf_unit_rows(context_.get(), classes_, width_, floats(weights_), type_, unit_.data()));
}

bool CudaHead::reserve(std::int64_t n) {
  if (n <= reserved_) return false;
  backend_.synchronize();
  x_ = nn::Memory();
  x_ = backend_.allocate(static_cast<std::size_t>(n * width_) * sizeof(float), "embeddings");
  dx_ = nn::Memory();
  dx_ = backend_.allocate(static_cast<std::size_t>(n * width_) * sizeof(float), "gradient of the embeddings");
  reserved_ = n;
  return true;
}

const float* CudaHead::forward(const float* embeddings, const std::int64_t* labels, std::int64_t n,
                               const HeadOutputs& outputs, const float* lr, const std::int32_t* skip) {
  args_ = make_head_args();
  args_.n = n;
  args_.d = width_;
  args_.k_loc = classes_;
  // update() reads the embeddings again, after the backward pass has taken their place in the arena.
  nn::cuda::check_cuda(
      cudaMemcpyAsync(x_.data(), embeddings, static_cast<std::size_t>(n * width_) * sizeof(float),
                      cudaMemcpyDeviceToDevice, backend_.stream()),
      "embeddings");
  args_.x = floats(x_);
  args_.w = floats(weights_);
  args_.labels = labels;
  args_.label_type = QCF_LABEL_I64;
  args_.t = qcf_head_has_t(config_.kind) != 0 ? floats(t_) : nullptr;
  args_.length_stats = qcf_head_has_length_stats(config_.kind) != 0 ? floats(length_stats_) : nullptr;
  args_.operand_type = type_;
  args_.unit_w = unit_.data();
  args_.losses = outputs.losses;
  args_.row_z = outputs.lengths;
  args_.row_p = outputs.probability;
  args_.row_rank = outputs.rank;
  args_.dx = floats(dx_);
  sgd_ = {floats(weights_), floats(velocity_), lr, skip, momentum_, weight_decay_};
  args_.sgd = &sgd_;
  const std::size_t bytes = head_workspace_bytes(context_, config_, args_);
  if (workspace_.bytes() < bytes) {
    backend_.synchronize();
    workspace_ = nn::Memory();
    workspace_ = backend_.allocate(bytes, "workspace of the head");
  }
  args_.workspace = workspace_.data();
  args_.workspace_bytes = workspace_.bytes();
  head_prepare(context_, config_, args_);
  head_sums(context_, config_, args_);
  head_finish(context_, config_, args_);
  return floats(dx_);
}

void CudaHead::update() { head_weights(context_, config_, args_); }

void CudaHead::check(std::int64_t n) {
  args_.n = n;  // a replayed step did not set it
  try {
    context_.check(qcf_head_check(context_.get(), &config_, &args_));
  } catch (const KernelError& error) {
    fail("head {}: {}", qcf_head_name(config_.kind), error.what());
  }
}

}  // namespace qcface::train
