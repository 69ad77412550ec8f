// Training steps on a GPU. The host copies a batch into page-locked memory, has it copied to the device on a stream of its
// own, and enqueues the step as one CUDA graph; it reads the figures of a step when the next one is already on its way.
// Two slots take turns, so that one batch travels while the other is computed on.
//
// What decides about an update stays on the device: a value that is not finite sets a flag that all later updates
// obey, so that the weights are still those from before it when the host hears of it a step late. With fp16 the loss is
// scaled; gradients that overflow only skip their own step and halve the scale.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "harness/data/normalise.h"
#include "harness/train/cuda_graph.h"
#include "harness/train/cuda_head.h"
#include "harness/train/cuda_memory.h"
#include "harness/train/step_engine.h"
#include "nn/cuda/finite.h"
#include "nn/cuda/image.h"
#include "nn/cuda/sgd.h"
#include "nn/cuda/step_control.h"

namespace qcface::train {
namespace {

using nn::cuda::check_cuda;
using nn::cuda::StorageType;

constexpr int kSlots = 2;

/// What a step reads besides pictures and labels.
struct StepInputs {
  nn::cuda::DropoutRecord dropout;
  float lr = 0;
};

/// What a step leaves for the host, followed by lengths, probabilities and ranks of the rows.
struct StepFigures {
  double losses[3] = {};
  nn::cuda::FiniteRecord embeddings, gradients;
  nn::cuda::LossScaleRecord scale;  // `skip` in there stops updates in every precision
  float applied_scale = 1;          // that the gradients of this step carried
  float unused = 0;
};

class CudaEngine final : public StepEngine {
 public:
  CudaEngine(const nn::Graph& graph, const EngineOptions& options, Head& head)
      : options_(options),
        host_head_(head),
        backend_(nn::CudaOptions{options.gpu, options.precision, false}),
        network_(graph, backend_),
        head_(backend_, options.head, head.classes(), head.width(), options.momentum, options.weight_decay),
        table_(backend_.allocate(nn::cuda::kNormalisationTable * sizeof(float), "normalisation table")) {
    const nn::Shape& shape = graph.nodes().front().shape;
    require(shape.channels == 3, "CUDA training: pictures have 3 channels, the network takes {}",
            shape.channels);
    picture_bytes_ = shape.elements();
    std::vector<float> table(nn::cuda::kNormalisationTable);
    nn::cuda::fill_normalisation_table(options.mean, options.std, table);
    backend_.copy_to_device(table_.data(), table.data(), table.size() * sizeof(float));
    network_.parameters().momentum();
    check_cuda(cudaStreamCreateWithFlags(&copy_stream_, cudaStreamNonBlocking), "CUDA stream");
  }
  ~CudaEngine() override {
    cudaStreamSynchronize(copy_stream_);
    cudaStreamSynchronize(backend_.stream());
    cudaStreamDestroy(copy_stream_);
  }

  std::string description() const override { return "cuda, " + backend_.name(); }
  const char* device() const override { return "cuda"; }
  bool takes_pixels() const override { return true; }
  nn::Network& network() override { return network_; }
  int pending() const override { return pending_; }
  void upload(Head& head) override { head_.upload(head); }
  void download(Head& head) override { head_.download(head); }
  LossScaleState loss_scale() const override { return scale_; }
  void set_loss_scale(const LossScaleState& state) override { scale_ = state; }
  void observe_parts(PartObserver observer) override {
    graphs_.clear();  // marks are captured with the step
    observer_ = std::move(observer);
  }

  std::optional<FinishedStep> step(const data::Batch& batch, const StepOrder& order) override {
    require(batch.pixels != nullptr, "CUDA training: the loader must deliver 8-bit pixels");
    backend_.begin();
    Slot& slot = slots_[next_];
    reserve(slot, batch.size);
    fill(slot, batch, order);
    slot.done.hold(copy_stream_);  // the step that used this slot's device memory last
    send(slot);
    slot.sent.hold(backend_.stream());
    const int n = static_cast<int>(batch.size);
    network_.prepare(n, nn::Mode::kTrain);
    if (network_.arena() != arena_) graphs_.clear();  // another batch size moved what the graphs point at
    arena_ = network_.arena();
    graphs_[{n, next_}].run(backend_.stream(), [&] { enqueue(slot, n); });
    slot.done.record(backend_.stream());
    next_ = (next_ + 1) % kSlots;
    ++pending_;
    if (pending_ < kSlots) return std::nullopt;
    return oldest();
  }

  std::optional<FinishedStep> finish() override {
    if (pending_ == 0) return std::nullopt;
    return oldest();
  }

 private:
  struct Slot {
    StepOrder order;
    std::int64_t capacity = 0;
    PinnedMemory host;   // inputs, labels, pixels
    PinnedMemory found;  // StepFigures and rows
    nn::Memory device;   // as `host`
    Event sent, done;
  };

  // Places in a slot's memory of inputs.
  static std::size_t labels_at() { return nn::cuda::planned_bytes(sizeof(StepInputs)); }
  static std::size_t pixels_at(std::int64_t capacity) {
    return labels_at() + nn::cuda::planned_bytes(static_cast<std::size_t>(capacity) * sizeof(std::int64_t));
  }
  std::size_t input_bytes(std::int64_t capacity) const {
    return pixels_at(capacity) + static_cast<std::size_t>(capacity) * picture_bytes_;
  }
  // Places in the memory of figures: lengths, probabilities, ranks.
  static std::size_t rows_at(int which, std::int64_t capacity) {
    return nn::cuda::planned_bytes(sizeof(StepFigures)) +
           static_cast<std::size_t>(which) *
               nn::cuda::planned_bytes(static_cast<std::size_t>(capacity) * sizeof(float));
  }

  void reserve(Slot& slot, std::int64_t n) {
    if (n > slot.capacity) {
      backend_.synchronize();
      slot.host = PinnedMemory(input_bytes(n));
      slot.found = PinnedMemory(rows_at(3, n));
      slot.device = nn::Memory();
      slot.device = backend_.allocate(input_bytes(n), "batch");
      slot.capacity = n;
      graphs_.clear();
    }
    if (n > figures_capacity_) {
      backend_.synchronize();
      StepFigures figures;
      if (figures_.data() != nullptr) {
        backend_.copy_to_host(&figures, figures_.data(), sizeof figures);
      } else if (scale_.scale > 0) {
        figures.scale.scale = scale_.scale;
        figures.scale.good_steps = scale_.good_steps;
      }
      figures_ = nn::Memory();
      figures_ = backend_.allocate(rows_at(3, n), "figures of a step");
      backend_.copy_to_device(figures_.data(), &figures, sizeof figures);
      figures_capacity_ = n;
      graphs_.clear();
    }
    if (head_.reserve(n)) graphs_.clear();
  }

  void fill(Slot& slot, const data::Batch& batch, const StepOrder& order) {
    slot.order = order;
    auto& inputs = *new (slot.host.as<void>()) StepInputs;
    inputs.dropout.seed = options_.seed;
    inputs.dropout.epoch = static_cast<std::uint32_t>(order.epoch);
    inputs.dropout.step = static_cast<std::uint64_t>(order.batch);
    inputs.lr = static_cast<float>(order.lr);
    const auto n = static_cast<std::size_t>(batch.size);
    std::memcpy(slot.host.as<void>(labels_at()), batch.labels.data(), n * sizeof(std::int64_t));
    std::memcpy(slot.host.as<void>(pixels_at(slot.capacity)), batch.pixels, n * picture_bytes_);
  }

  void send(Slot& slot) {
    const std::size_t bytes =
        pixels_at(slot.capacity) + static_cast<std::size_t>(slot.order.size) * picture_bytes_;
    check_cuda(cudaMemcpyAsync(slot.device.data(), slot.host.as<void>(), bytes, cudaMemcpyHostToDevice,
                               copy_stream_),
               "transfer of a batch");
    slot.sent.record(copy_stream_);
  }

  /// The whole step; no synchronisation, no allocation once its sizes were seen.
  void enqueue(const Slot& slot, int n) {
    const cudaStream_t stream = backend_.stream();
    const auto* inputs = reinterpret_cast<const StepInputs*>(slot.device.data());
    auto* figures = reinterpret_cast<StepFigures*>(figures_.data());
    nn::ParameterStore& store = network_.parameters();
    begin_part(StepPart::kForward);
    // A head that refuses its data writes no row values: NaN then stays.
    check_cuda(cudaMemsetAsync(figures_.data() + rows_at(1, figures_capacity_), 0xFF,
                               static_cast<std::size_t>(n) * sizeof(float), stream),
               "figures of a step");

    nn::DeviceImages images;
    images.pixels = reinterpret_cast<const std::uint8_t*>(slot.device.data() + pixels_at(slot.capacity));
    images.normalisation = reinterpret_cast<const float*>(table_.data());
    nn::DropoutKey key;
    key.device_record = &inputs->dropout;
    const float* const embeddings = network_.forward_device(images, n, nn::Mode::kTrain, key);
    nn::cuda::check_finite(StorageType::kF32, std::int64_t{n} * network_.output_width(), embeddings, 0,
                           &figures->embeddings, stream);

    begin_part(StepPart::kHead);
    HeadOutputs outputs;
    outputs.losses = figures->losses;
    outputs.lengths = reinterpret_cast<float*>(figures_.data() + rows_at(0, figures_capacity_));
    outputs.probability = reinterpret_cast<float*>(figures_.data() + rows_at(1, figures_capacity_));
    outputs.rank = reinterpret_cast<std::int32_t*>(figures_.data() + rows_at(2, figures_capacity_));
    const float* const dx =
        head_.forward(embeddings, reinterpret_cast<const std::int64_t*>(slot.device.data() + labels_at()), n,
                      outputs, &inputs->lr, reinterpret_cast<const std::int32_t*>(&figures->scale.skip));

    begin_part(StepPart::kBackward);
    network_.backward_device(dx, scales_loss() ? &figures->scale.scale : nullptr);
    begin_part(StepPart::kUpdate);
    if (scales_loss()) nn::cuda::reset_finite_record(&figures->gradients, stream);
    nn::cuda::check_finite(StorageType::kF32, static_cast<std::int64_t>(store.gradients().size()),
                           store.gradients().data(), 0, &figures->gradients, stream);
    if (scales_loss()) {
      nn::cuda::update_loss_scale(&figures->gradients, &figures->scale, &figures->applied_scale, stream);
    } else {
      nn::cuda::skip_if_not_finite(&figures->gradients, &figures->scale.skip, stream);
    }
    nn::cuda::skip_if_not_finite(&figures->embeddings, &figures->scale.skip, stream);

    nn::cuda::SgdUpdate update;
    update.count = static_cast<std::int64_t>(store.weights().size());
    update.weights = store.weights().data();
    update.gradients = store.gradients().data();
    update.velocity = store.momentum().data();
    update.copy = store.working();
    update.copy_type = backend_.type();
    update.lr = &inputs->lr;
    update.loss_scale = scales_loss() ? &figures->applied_scale : nullptr;
    update.skip = &figures->scale.skip;
    update.momentum = options_.momentum;
    update.weight_decay = options_.weight_decay;
    nn::cuda::sgd_update(update, stream);
    begin_part(StepPart::kHeadUpdate);
    head_.update();
    begin_part(StepPart::kEnd);

    check_cuda(cudaMemcpyAsync(slot.found.as<void>(), figures_.data(), rows_at(3, figures_capacity_),
                               cudaMemcpyDeviceToHost, stream),
               "figures of a step");
  }

  void begin_part(StepPart part) const {
    if (observer_) observer_(part, backend_.stream());
  }

  FinishedStep oldest() {
    Slot& slot = slots_[(next_ + kSlots - static_cast<std::size_t>(pending_)) % kSlots];
    slot.done.wait();
    --pending_;
    const auto& figures = *slot.found.as<const StepFigures>();
    if (scales_loss()) scale_ = {figures.scale.scale, figures.scale.good_steps};
    check(slot, figures);
    const auto n = static_cast<std::size_t>(slot.order.size);
    FinishedStep step;
    step.order = slot.order;
    step.head.loss = figures.losses[0];
    step.head.loss_id = figures.losses[1];
    step.head.loss_g = figures.losses[2];
    const auto* rank = slot.found.as<const std::int32_t>(rows_at(2, figures_capacity_));
    for (std::size_t i = 0; i < n; ++i) {
      step.head.top1 += rank[i] < 1;
      step.head.top5 += rank[i] < 5;
    }
    step.head.lengths = {slot.found.as<const float>(rows_at(0, figures_capacity_)), n};
    step.head.target_probability = {slot.found.as<const float>(rows_at(1, figures_capacity_)), n};
    return step;
  }

  void check(const Slot& slot, const StepFigures& figures) {
    if (figures.embeddings.key != nn::cuda::kAllFinite) stop(slot, "the embeddings");
    const auto* const p = slot.found.as<const float>(rows_at(1, figures_capacity_));
    const bool rows = std::all_of(p, p + slot.order.size, [](float v) { return std::isfinite(v); });
    if (!rows || !std::isfinite(figures.losses[0])) {
      backend_.synchronize();
      head_.check(slot.order.size);  // names tensor and row
      stop(slot, "the loss of head " + options_.head.loss_model);
    }
    if (figures.gradients.key == nn::cuda::kAllFinite) return;
    if (!scales_loss() || figures.applied_scale <= 1) stop(slot, "the backbone's gradients");
    log::info("gradients overflowed with a loss scale of {}: the step was left out, the scale is {} now",
              figures.applied_scale, figures.scale.scale);
  }

  /// Runs the step again in pieces, with the weights from before it, to name the first tensor that is not finite.
  [[noreturn]] void stop(const Slot& slot, const std::string& found) {
    backend_.synchronize();
    const int n = static_cast<int>(slot.order.size);
    const std::size_t plane = picture_bytes_ / 3;
    const data::Normaliser normaliser(options_.mean, options_.std);
    std::vector<float> images(static_cast<std::size_t>(n) * picture_bytes_);
    const auto* pixels = slot.host.as<const std::uint8_t>(pixels_at(slot.capacity));
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::size_t sample = i / picture_bytes_, c = i / plane % 3;
      images[i] = normaliser.value(static_cast<int>(c), pixels[(sample * plane + i % plane) * 3 + c]);
    }
    nn::DropoutKey key;
    key.seed = options_.seed;
    key.epoch = static_cast<std::uint32_t>(slot.order.epoch);
    key.step = static_cast<std::uint64_t>(slot.order.batch);
    std::string where = network_.find_non_finite(images, n, key);
    if (where.empty()) {
      try {
        head_.download(host_head_);
        const std::span<const float> rows = network_.forward_train(images, n, key);
        const std::vector<float> embeddings(rows.begin(), rows.end());
        const HeadStep head = host_head_.step(embeddings.data(),
                                              slot.host.as<const std::int64_t>(labels_at()), slot.order.size);
        where = network_.find_non_finite(images, n, key, head.dx);
      } catch (const Error& error) {
        where = error.what();
      }
    }
    throw NotFinite(slot.order, found, where);
  }

  bool scales_loss() const { return options_.precision == nn::Precision::kFp16; }

  EngineOptions options_;
  Head& host_head_;
  nn::cuda::CudaBackend backend_;
  nn::Network network_;
  CudaHead head_;
  nn::Memory table_, figures_;
  std::int64_t figures_capacity_ = 0;
  std::size_t picture_bytes_ = 0;
  cudaStream_t copy_stream_ = nullptr;
  std::array<Slot, kSlots> slots_;
  std::map<std::pair<int, std::size_t>, StepGraph> graphs_;
  const void* arena_ = nullptr;
  std::size_t next_ = 0;
  int pending_ = 0;
  LossScaleState scale_;
  PartObserver observer_;
};

}  // namespace

std::unique_ptr<StepEngine> make_cuda_engine(const nn::Graph& graph, const EngineOptions& options,
                                             Head& head) {
  return std::make_unique<CudaEngine>(graph, options, head);
}

}  // namespace qcface::train
