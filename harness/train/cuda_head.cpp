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

qcf_head_args CudaHead::arguments(std::int64_t n) {
  qcf_head_args args = make_head_args();
  args.n = n;
  args.d = width_;
  args.k_loc = classes_;
  args.x = floats(x_);
  args.w = floats(weights_);
  args.label_type = QCF_LABEL_I64;
  args.t = qcf_head_has_t(config_.kind) != 0 ? floats(t_) : nullptr;
  args.length_stats = qcf_head_has_length_stats(config_.kind) != 0 ? floats(length_stats_) : nullptr;
  args.operand_type = type_;
  args.unit_w = unit_.data();
  args.dx = floats(dx_);
  sgd_.w = floats(weights_);
  sgd_.slots[0] = floats(velocity_);
  sgd_.momentum = momentum_;
  sgd_.weight_decay = weight_decay_;
  args.optimiser = &sgd_;
  args.workspace = workspace_.data();
  args.workspace_bytes = workspace_.bytes();
  return args;
}

bool CudaHead::reserve(std::int64_t n) {
  if (n <= reserved_) return false;
  backend_.synchronize();
  const auto replace = [&](nn::Memory& memory, std::size_t bytes, const char* what) {
    memory = nn::Memory();
    memory = backend_.allocate(bytes, what);
  };
  replace(x_, static_cast<std::size_t>(n * width_) * sizeof(float), "embeddings");
  replace(dx_, static_cast<std::size_t>(n * width_) * sizeof(float), "gradient of the embeddings");
  qcf_head_args args = arguments(n);
  // Whatever a step asks for is asked for here too: row values decide what the first pass sums.
  float wanted = 0;
  args.row_p = &wanted;
  replace(workspace_, head_workspace_bytes(context_, config_, args), "workspace of the head");
  reserved_ = n;
  return true;
}

const float* CudaHead::forward(const float* embeddings, const std::int64_t* labels, std::int64_t n,
                               const HeadOutputs& outputs, const float* lr, const std::int32_t* skip) {
  require(n <= reserved_, "head on CUDA: a batch of {} rows, but memory was reserved for {}", n, reserved_);
  // update() reads the embeddings again, after the backward pass has taken their place in the arena.
  nn::cuda::check_cuda(
      cudaMemcpyAsync(x_.data(), embeddings, static_cast<std::size_t>(n * width_) * sizeof(float),
                      cudaMemcpyDeviceToDevice, backend_.stream()),
      "embeddings");
  args_ = arguments(n);
  args_.labels = labels;
  args_.losses = outputs.losses;
  args_.row_z = outputs.lengths;
  args_.row_p = outputs.probability;
  args_.row_rank = outputs.rank;
  sgd_.lr = lr;
  sgd_.skip = skip;
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
