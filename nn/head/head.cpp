#include "nn/head/head.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "nn/head/class_sample.h"
#include "nn/head/exchange.h"

namespace qcface::nn {
namespace {

constexpr std::array<float, 2> kFirstLengthStats{20, 100};  // where AdaFace starts
constexpr std::int64_t kRowsAtOnce = 1024;                  // between host and backend

qcf_type operand_type(Precision precision) {
  return precision == Precision::kFp32   ? QCF_TYPE_F32
         : precision == Precision::kBf16 ? QCF_TYPE_BF16
                                         : QCF_TYPE_F16;
}

float* floats(const Memory& memory) { return memory.floats().data(); }

}  // namespace

template <class Call>
void Head::checked(const Call& call) const {
  try {
    call();
  } catch (const KernelError& error) {
    fail("head {}: {}", name(), error.what());
  }
}

Head::Head(const Backend& backend, const qcf_head_config& config, const OptimiserSettings& optimiser,
           std::int64_t classes, std::int64_t width, std::int64_t largest, Communicator& communicator,
           double sample_rate)
    : backend_(backend),
      config_(config),
      communicator_(communicator),
      classes_(classes),
      width_(width),
      largest_(largest),
      own_(share_of(classes, communicator.rank(), communicator.size())),
      sample_size_(sample_rate < 1 ? class_sample_size(own_.count, sample_rate, largest) : 0),
      type_(operand_type(backend.precision())),
      optimiser_(make_optimiser()) {
  require(classes >= 2, "the training set has {} identity: a head needs at least 2", classes);
  require(classes >= communicator.size(), "the training set has {} identities, fewer than the {} ranks",
          classes, communicator.size());
  backend.bind(context_.get());
  const auto allocate = [&](std::int64_t values, std::size_t bytes, const char* what) {
    return backend.allocate(static_cast<std::size_t>(values) * bytes, what);
  };
  weights_ = allocate(own_.count * width, sizeof(float), "class weights");
  slot_ = allocate(own_.count * width, sizeof(float), "the optimiser's slot of the class weights");
  if (type_ != QCF_TYPE_F32 && width % 8 == 0) unit_ = allocate(own_.count * width, 2, "unit class weights");
  t_ = allocate(1, sizeof(float), "state of the head");
  length_stats_ = allocate(2, sizeof(float), "statistics of lengths");
  x_ = allocate(largest * width, sizeof(float), "embeddings");
  dx_ = allocate(largest * width, sizeof(float), "gradient of the embeddings");
  if (communicator.size() > 1) {
    labels_ = allocate(largest, sizeof(std::int64_t), "labels of all ranks");
    shares_ = allocate(largest * width, sizeof(float), "gradient of all embeddings");
  }
  checked([&] { context_.check(qcf_cuda_open(context_.get())); });
  optimiser_.w = floats(weights_);
  optimiser_.slots[0] = floats(slot_);
  optimiser_.momentum = optimiser.momentum;
  optimiser_.weight_decay = optimiser.weight_decay;
  qcf_head_args args = arguments(largest);
  // Whatever a step asks for is asked for here too: row values decide what the first pass sums.
  float wanted = 0;
  args.row_p = &wanted;
  const std::int64_t listed = 0;
  if (sample_size_ > 0) sample(args, &listed);
  std::size_t bytes = 0;
  checked([&] { bytes = head_workspace_bytes(context_, config_, args); });
  workspace_ = backend.allocate(bytes, "workspace of the head");
  set_state({"head.length_stats", {kFirstLengthStats.begin(), kFirstLengthStats.end()}});
}

Head::~Head() { qcf_cuda_close(context_.get()); }

void Head::initialise(std::uint64_t seed) {
  std::vector<float> rows;
  for (std::int64_t first = 0; first < own_.count; first += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, own_.count - first);
    rows.resize(static_cast<std::size_t>(count * width_));
    for (std::int64_t c = 0; c < count; ++c) {
      RandomStream random(seed, RandomPurpose::kHeadWeights, 0,
                          static_cast<std::uint64_t>(own_.first + first + c));
      float* const row = rows.data() + c * width_;
      double square = 0;
      for (std::int64_t d = 0; d < width_; ++d) {
        row[d] = static_cast<float>(random.uniform(-1, 1));
        square += static_cast<double>(row[d]) * row[d];
      }
      const auto scale = static_cast<float>(1 / std::sqrt(std::max(square, 1e-24)));
      for (std::int64_t d = 0; d < width_; ++d) row[d] *= scale;
    }
    copy_in(TensorRole::kValue, first, rows);
  }
  loaded();
}

qcf_head_args Head::arguments(std::int64_t n) const {
  qcf_head_args args = make_head_args();
  args.n = n;
  args.d = width_;
  args.k_loc = own_.count;
  args.k_total = classes_;
  args.class_offset = own_.first;
  args.x = floats(x_);
  args.w = floats(weights_);
  args.label_type = QCF_LABEL_I64;
  args.t = qcf_head_has_t(config_.kind) != 0 ? floats(t_) : nullptr;
  args.length_stats = qcf_head_has_length_stats(config_.kind) != 0 ? floats(length_stats_) : nullptr;
  args.operand_type = type_;
  args.unit_w = unit_.data();
  args.dx = floats(communicator_.size() == 1 ? dx_ : shares_);
  args.optimiser = &optimiser_;
  args.workspace = workspace_.data();
  args.workspace_bytes = workspace_.bytes();
  return args;
}

void Head::sample(qcf_head_args& args, const std::int64_t* rows) const {
  args.sampled = rows;
  args.sampled_count = sample_size_;
}

float* Head::embeddings(std::int64_t n) const {
  return floats(x_) + share_of(n, communicator_.rank(), communicator_.size()).first * width_;
}

const float* Head::forward(const std::int64_t* labels, std::int64_t n, const HeadFigures& figures,
                           const float* rate, const std::uint32_t* skip, const std::int64_t* sampled) {
  require(n <= largest_, "head {}: a batch of {} rows, but memory was reserved for {}", name(), n, largest_);
  optimiser_.lr = rate;
  optimiser_.skip = reinterpret_cast<const std::int32_t*>(skip);
  args_ = arguments(n);
  args_.labels = labels;
  if (sample_size_ > 0) sample(args_, sampled);
  const bool on_device = !backend_.on_host();
  const Share own = share_of(n, communicator_.rank(), communicator_.size());
  if (communicator_.size() > 1) {
    auto* const all = reinterpret_cast<std::int64_t*>(labels_.data());
    communicator_.all_gather(array_of(labels, own.count, 1, on_device), array_of(all, n, 1, on_device),
                             backend_.stream_handle());
    communicator_.all_gather(array_of(embeddings(n), own.count, width_, on_device),
                             array_of(floats(x_), n, width_, on_device), backend_.stream_handle());
    args_.labels = all;
  }
  args_.losses = figures.losses;
  args_.row_z = figures.lengths;
  args_.row_p = figures.probability;
  args_.row_rank = figures.rank;
  checked([&] { forward_stages(context_, config_, args_, communicator_); });
  if (communicator_.size() > 1) {
    communicator_.reduce_scatter(array_of(floats(shares_), n, width_, on_device),
                                 array_of(floats(dx_), own.count, width_, on_device), Reduce::kSum,
                                 backend_.stream_handle());
  }
  return floats(dx_);
}

void Head::update() {
  checked([&] { head_weights(context_, config_, args_); });
}

void Head::check(std::int64_t n) {
  args_.n = n;  // a replayed step did not set it
  checked([&] { context_.check(qcf_head_check(context_.get(), &config_, &args_)); });
}

const Memory& Head::memory_of(TensorRole role) const {
  require(role != TensorRole::kGradient, "the gradient of the class weights is not kept");
  return role == TensorRole::kValue ? weights_ : slot_;
}

void Head::copy_out(TensorRole role, std::int64_t first, std::span<float> rows) const {
  backend_.copy_to_host(rows.data(), floats(memory_of(role)) + first * width_, rows.size_bytes());
}

void Head::copy_in(TensorRole role, std::int64_t first, std::span<const float> rows) {
  backend_.copy_to_device(floats(memory_of(role)) + first * width_, rows.data(), rows.size_bytes());
}

std::vector<Head::State> Head::state() const {
  std::vector<State> states;
  const auto add = [&](const char* name, const Memory& memory) {
    State& state = states.emplace_back(State{name, std::vector<float>(memory.floats().size())});
    backend_.copy_to_host(state.values.data(), memory.data(), memory.bytes());
  };
  if (qcf_head_has_t(config_.kind) != 0) add("head.t", t_);
  if (qcf_head_has_length_stats(config_.kind) != 0) add("head.length_stats", length_stats_);
  return states;
}

void Head::set_state(const State& state) {
  const Memory& memory = state.name == "head.t" ? t_ : length_stats_;
  require(state.values.size() == memory.floats().size(), "tensor {} has {} values, expected {}", state.name,
          state.values.size(), memory.floats().size());
  backend_.copy_to_device(memory.data(), state.values.data(), memory.bytes());
}

void Head::loaded() {
  if (unit_.data() == nullptr) return;
  checked([&] {
    context_.check(qcf_unit_rows(context_.get(), own_.count, width_, floats(weights_), type_, unit_.data()));
  });
}

}  // namespace qcface::nn
