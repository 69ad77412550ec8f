#include "harness/train/step.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "nn/head/class_sample.h"

namespace qcface::train {
namespace {

std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

/// What a step is told first: its rate, then where the dropout of each part begins.
struct StepInputs {
  float rate = 0;
  float unused[3] = {};
};
constexpr std::size_t kDropoutAt = sizeof(StepInputs);

std::size_t labels_at(int parts) {
  return aligned(kDropoutAt + static_cast<std::size_t>(parts) * sizeof(nn::DropoutRecord));
}

}  // namespace

TrainStep::TrainStep(nn::Backend& backend, nn::Network& network, nn::Head& head,
                     const nn::OptimiserSettings& optimiser, std::span<const float> normalisation,
                     std::int64_t largest, int parts, Communicator& communicator,
                     const ExchangeOptions& exchange)
    : backend_(backend),
      network_(network),
      head_(head),
      optimiser_(optimiser),
      communicator_(communicator),
      largest_(largest),
      parts_(parts),
      picture_bytes_(network.graph().nodes().front().shape.elements()) {
  require(network.graph().nodes().front().shape.channels == 3,
          "training: pictures have 3 channels, the network takes {}",
          network.graph().nodes().front().shape.channels);
  table_ = backend.allocate(normalisation.size_bytes(), "normalisation table");
  backend.copy_to_device(table_.data(), normalisation.data(), normalisation.size_bytes());
  results_ = backend.allocate(
      aligned(sizeof(StepFigures)) + 3 * aligned(static_cast<std::size_t>(largest) * sizeof(float)),
      "figures of a step");
  set_loss_scale({});
  nn::ParameterStore& store = network.parameters();
  store.slot();
  if (communicator.size() > 1)
    exchange_ = std::make_unique<GradientExchange>(
        backend, communicator, network.gradient_buckets(exchange.bucket_bytes), exchange.overlap);
  if (parts == 1) return;
  sum_ = backend.allocate(store.gradients().size_bytes(), "gradients of the whole batch");
  statistics_ = backend.allocate(store.buffers().size_bytes(), "running statistics");
}

std::size_t TrainStep::sampled_at() const {
  return labels_at(parts_) + aligned(static_cast<std::size_t>(largest_) * sizeof(std::int64_t));
}

std::size_t TrainStep::pixels_at() const {
  return sampled_at() + aligned(static_cast<std::size_t>(head_.sample_size()) * sizeof(std::int64_t));
}

const std::uint8_t* TrainStep::pixels_of(const std::byte* inputs) const {
  return reinterpret_cast<const std::uint8_t*>(inputs + pixels_at());
}

const nn::DropoutRecord& TrainStep::dropout_of(const std::byte* inputs, std::int64_t part) const {
  return reinterpret_cast<const nn::DropoutRecord*>(inputs + kDropoutAt)[part];
}

nn::HeadFigures TrainStep::figures_of(const std::byte* results) const {
  auto* const figures = const_cast<std::byte*>(results);
  const std::size_t rows = aligned(static_cast<std::size_t>(largest_) * sizeof(float));
  std::byte* const first = figures + aligned(sizeof(StepFigures));
  return {reinterpret_cast<StepFigures*>(figures)->losses, reinterpret_cast<float*>(first),
          reinterpret_cast<float*>(first + rows), reinterpret_cast<std::int32_t*>(first + 2 * rows)};
}

void TrainStep::set_loss_scale(const nn::LossScaleRecord& scale) {
  StepFigures figures;
  figures.control.scale = scale;
  backend_.copy_to_device(results_.data(), &figures, sizeof figures);
}

std::size_t TrainStep::input_bytes(std::int64_t n) const {
  return pixels_at() + static_cast<std::size_t>(own(n).count) * picture_bytes_;
}

std::size_t TrainStep::most_input_bytes() const {
  const std::int64_t rows = (largest_ + communicator_.size() - 1) / communicator_.size();
  return pixels_at() + static_cast<std::size_t>(rows) * picture_bytes_;
}

std::int64_t TrainStep::parts_of(std::int64_t n) const {
  // Batch norm needs two. As many on every rank, which may share it: by the smallest share.
  return std::clamp<std::int64_t>(n / communicator_.size() / 2, 1, parts_);
}

Share TrainStep::part_of(std::int64_t part, std::int64_t n) const {
  return share_of(own(n).count, static_cast<int>(part), static_cast<int>(parts_of(n)));
}

void TrainStep::fill(std::byte* inputs, double rate, const nn::DropoutRecord& dropout,
                     std::span<const std::int64_t> labels, const std::uint8_t* pixels, std::int64_t n) const {
  require(n >= communicator_.size() && own(n).count == static_cast<std::int64_t>(labels.size()),
          "training: a batch of {} pictures over {} ranks, of which rank {} was given {}", n,
          communicator_.size(), communicator_.rank(), labels.size());
  require(n <= largest_, "training: a batch of {} pictures, but memory was reserved for {}", n, largest_);
  new (inputs) StepInputs{static_cast<float>(rate), {}};
  for (std::int64_t part = 0; part < parts_of(n); ++part) {
    nn::DropoutRecord record = dropout;
    record.first_row += part_of(part, n).first;
    std::memcpy(inputs + kDropoutAt + static_cast<std::size_t>(part) * sizeof record, &record, sizeof record);
  }
  std::memcpy(inputs + labels_at(parts_), labels.data(), labels.size_bytes());
  if (head_.sample_size() > 0) fill_sampled(inputs, dropout, labels, n);
  std::memcpy(inputs + pixels_at(), pixels, labels.size() * picture_bytes_);
}

void TrainStep::fill_sampled(std::byte* inputs, const nn::DropoutRecord& key,
                             std::span<const std::int64_t> labels, std::int64_t n) const {
  std::vector<std::int64_t> all(static_cast<std::size_t>(n));
  communicator_.all_gather(array_of(labels.data(), own(n).count), array_of(all.data(), n));
  auto* const rows = reinterpret_cast<std::int64_t*>(inputs + sampled_at());
  nn::sample_classes({key.seed, key.step, key.epoch}, head_.own_classes(), all,
                     {rows, static_cast<std::size_t>(head_.sample_size())});
}

bool TrainStep::prepare(std::int64_t n) {
  for (std::int64_t part = 0; part < parts_of(n); ++part)
    network_.prepare(static_cast<int>(part_of(part, n).count), nn::Mode::kTrain);
  return std::exchange(arena_, network_.arena()) != network_.arena();
}

void TrainStep::begin(StepPart part) const {
  if (observer_) observer_(part, backend_.stream_handle());
}

void TrainStep::forward(const std::byte* inputs, std::int64_t part, std::int64_t n) {
  const Share rows = part_of(part, n);
  nn::DeviceImages images;
  images.pixels = pixels_of(inputs) + static_cast<std::size_t>(rows.first) * picture_bytes_;
  images.normalisation = table_.floats().data();
  nn::DropoutKey key;
  key.record = &dropout_of(inputs, part);
  network_.forward_device(images, static_cast<int>(rows.count), nn::Mode::kTrain, key,
                          head_.embeddings(n) + rows.first * head_.width());
}

float* TrainStep::backward(const std::byte* inputs, const float* dx, std::int64_t n) {
  const std::int64_t parts = parts_of(n);
  const auto* const figures = reinterpret_cast<const StepFigures*>(results_.data());
  const float* const scale = scales_loss() ? &figures->control.scale.scale : nullptr;
  nn::ParameterStore& store = network_.parameters();
  const std::span<float> gradients = store.gradients(), statistics = store.buffers();
  float* const result = parts > 1 ? sum_.floats().data() : gradients.data();
  const auto add = [&](std::size_t first, std::size_t count) {
    backend_.add(result + first, gradients.data() + first, count);
  };
  std::function<void(int)> after_layer;
  if (exchange_) {
    exchange_->begin(result);
    after_layer = [&](int layer) {
      exchange_->layer_done(layer, [&](const nn::GradientBucket& bucket) {
        if (parts > 1) add(bucket.first, bucket.count);
      });
    };
  }
  if (parts > 1) backend_.copy(statistics_.data(), statistics.data(), statistics.size_bytes());
  for (std::int64_t part = parts - 1; part >= 0; --part) {
    if (part != parts - 1) forward(inputs, part, n);
    const bool sends = part == 0 && exchange_;
    network_.backward_device(dx + part_of(part, n).first * head_.width(), scale,
                             sends ? after_layer : nullptr);
    if (parts == 1) return result;
    if (part == parts - 1) {
      backend_.copy(result, gradients.data(), gradients.size_bytes());
    } else if (!sends) {
      add(0, gradients.size());
    }
  }
  // The second forward passes moved them once more.
  backend_.copy(statistics.data(), statistics_.data(), statistics.size_bytes());
  return result;
}

const float* TrainStep::ask_head(const std::byte* inputs, std::int64_t n) {
  const auto* const figures = reinterpret_cast<const StepFigures*>(results_.data());
  return head_.forward(reinterpret_cast<const std::int64_t*>(inputs + labels_at(parts_)), n,
                       figures_of(results_.data()), &reinterpret_cast<const StepInputs*>(inputs)->rate,
                       &figures->control.scale.skip,
                       reinterpret_cast<const std::int64_t*>(inputs + sampled_at()));
}

const float* TrainStep::head_gradient(const std::byte* inputs, std::int64_t n) {
  for (std::int64_t part = 0; part < parts_of(n); ++part) forward(inputs, part, n);
  return ask_head(inputs, n);
}

void TrainStep::run(const std::byte* inputs, std::int64_t n) {
  try {
    enqueue(inputs, n);
  } catch (...) {
    if (exchange_) exchange_->rethrow();
    throw;
  }
}

void TrainStep::enqueue(const std::byte* inputs, std::int64_t n) {
  nn::StepControl* const control = &reinterpret_cast<StepFigures*>(results_.data())->control;
  begin(StepPart::kForward);
  // A head that refuses its data writes no row values: NaN then stays.
  backend_.fill(figures_of(results_.data()).probability, 0xFF, static_cast<std::size_t>(n) * sizeof(float));
  for (std::int64_t part = 0; part < parts_of(n); ++part) forward(inputs, part, n);
  backend_.check_finite(head_.embeddings(n), static_cast<std::size_t>(own(n).count * head_.width()),
                        &control->embeddings);
  // What is on the host can be looked at, and saves the rest.
  if (backend_.on_host() && control->embeddings.key != nn::kAllFinite) return;

  begin(StepPart::kHead);
  const float* const dx = ask_head(inputs, n);
  begin(StepPart::kBackward);
  float* const gradients = backward(inputs, dx, n);

  begin(StepPart::kUpdate);
  nn::ParameterStore& store = network_.parameters();
  nn::UpdateCall update;
  update.count = store.weights().size();
  update.weights = store.weights().data();
  update.gradients = gradients;
  update.slot = store.slot().data();
  update.working = store.working();
  update.rate = &reinterpret_cast<const StepInputs*>(inputs)->rate;
  update.loss_scale = scales_loss() ? &control->applied_scale : nullptr;
  update.skip = &control->scale.skip;
  if (exchange_) exchange_->finish();
  backend_.settle_update(gradients, update.count, scales_loss(), control);
  backend_.update(optimiser_, update);
  begin(StepPart::kHeadUpdate);
  head_.update();
  begin(StepPart::kEnd);
}

}  // namespace qcface::train
