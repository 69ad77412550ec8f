#include "harness/train/step.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

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
                     std::int64_t largest, int parts)
    : backend_(backend),
      network_(network),
      head_(head),
      optimiser_(optimiser),
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
  if (parts == 1) return;
  sum_ = backend.allocate(store.gradients().size_bytes(), "gradients of the whole batch");
  statistics_ = backend.allocate(store.buffers().size_bytes(), "running statistics");
}

std::size_t TrainStep::pixels_at() const {
  return labels_at(parts_) + aligned(static_cast<std::size_t>(largest_) * sizeof(std::int64_t));
}

const std::uint8_t* TrainStep::pixels_of(const std::byte* inputs) const {
  return reinterpret_cast<const std::uint8_t*>(inputs + pixels_at());
}

const std::int64_t* TrainStep::labels_of(const std::byte* inputs) const {
  return reinterpret_cast<const std::int64_t*>(inputs + labels_at(parts_));
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

std::int64_t TrainStep::parts_of(std::int64_t n) const {
  return std::clamp<std::int64_t>(n / 2, 1, parts_);  // batch norm needs two
}

void TrainStep::fill(std::byte* inputs, double rate, const nn::DropoutRecord& dropout,
                     std::span<const std::int64_t> labels, const std::uint8_t* pixels) const {
  const auto n = static_cast<std::int64_t>(labels.size());
  require(n <= largest_, "training: a batch of {} pictures, but memory was reserved for {}", n, largest_);
  new (inputs) StepInputs{static_cast<float>(rate), {}};
  for (std::int64_t part = 0; part < parts_of(n); ++part) {
    nn::DropoutRecord record = dropout;
    record.first_row += first_of(part, n);
    std::memcpy(inputs + kDropoutAt + static_cast<std::size_t>(part) * sizeof record, &record, sizeof record);
  }
  std::memcpy(inputs + labels_at(parts_), labels.data(), labels.size_bytes());
  std::memcpy(inputs + pixels_at(), pixels, static_cast<std::size_t>(n) * picture_bytes_);
}

bool TrainStep::prepare(std::int64_t n) {
  for (std::int64_t part = 0; part < parts_of(n); ++part)
    network_.prepare(static_cast<int>(first_of(part + 1, n) - first_of(part, n)), nn::Mode::kTrain);
  return std::exchange(arena_, network_.arena()) != network_.arena();
}

void TrainStep::begin(StepPart part) const {
  if (!observer_) return;
  qcf_context context{};
  backend_.bind(&context);
  observer_(part, context.stream);
}

void TrainStep::forward(const std::byte* inputs, std::int64_t part, std::int64_t n) {
  const std::int64_t first = first_of(part, n), count = first_of(part + 1, n) - first;
  nn::DeviceImages images;
  images.pixels = pixels_of(inputs) + static_cast<std::size_t>(first) * picture_bytes_;
  images.normalisation = table_.floats().data();
  nn::DropoutKey key;
  key.record = reinterpret_cast<const nn::DropoutRecord*>(inputs + kDropoutAt) + part;
  network_.forward_device(images, static_cast<int>(count), nn::Mode::kTrain, key,
                          head_.embeddings() + first * head_.width());
}

const float* TrainStep::backward(const std::byte* inputs, const float* dx, std::int64_t n) {
  const std::int64_t parts = parts_of(n);
  const auto* const figures = reinterpret_cast<const StepFigures*>(results_.data());
  const float* const scale = scales_loss() ? &figures->control.scale.scale : nullptr;
  nn::ParameterStore& store = network_.parameters();
  const std::span<float> gradients = store.gradients(), statistics = store.buffers();
  if (parts > 1) backend_.copy(statistics_.data(), statistics.data(), statistics.size_bytes());
  for (std::int64_t part = parts - 1; part >= 0; --part) {
    if (part != parts - 1) forward(inputs, part, n);
    network_.backward_device(dx + first_of(part, n) * head_.width(), scale);
    if (parts == 1) return gradients.data();
    if (part == parts - 1) {
      backend_.copy(sum_.data(), gradients.data(), gradients.size_bytes());
    } else {
      backend_.add(sum_.floats().data(), gradients.data(), gradients.size());
    }
  }
  // The second forward passes moved them once more.
  backend_.copy(statistics.data(), statistics_.data(), statistics.size_bytes());
  return sum_.floats().data();
}

void TrainStep::run(const std::byte* inputs, std::int64_t n) {
  nn::StepControl* const control = &reinterpret_cast<StepFigures*>(results_.data())->control;
  const nn::HeadFigures figures = figures_of(results_.data());
  const float* const rate = &reinterpret_cast<const StepInputs*>(inputs)->rate;
  const auto rows = static_cast<std::size_t>(n);

  begin(StepPart::kForward);
  // A head that refuses its data writes no row values: NaN then stays.
  backend_.fill(figures.probability, 0xFF, rows * sizeof(float));
  for (std::int64_t part = 0; part < parts_of(n); ++part) forward(inputs, part, n);
  backend_.check_finite(head_.embeddings(), rows * static_cast<std::size_t>(head_.width()),
                        &control->embeddings);
  // What is on the host can be looked at, and saves the rest.
  if (backend_.on_host() && control->embeddings.key != nn::kAllFinite) return;

  begin(StepPart::kHead);
  const float* const dx = head_.forward(labels_of(inputs), n, figures, rate, &control->scale.skip);
  begin(StepPart::kBackward);
  const float* const gradients = backward(inputs, dx, n);

  begin(StepPart::kUpdate);
  nn::ParameterStore& store = network_.parameters();
  nn::UpdateCall update;
  update.count = store.weights().size();
  update.weights = store.weights().data();
  update.gradients = gradients;
  update.slot = store.slot().data();
  update.working = store.working();
  update.rate = rate;
  update.loss_scale = scales_loss() ? &control->applied_scale : nullptr;
  update.skip = &control->scale.skip;
  backend_.settle_update(gradients, update.count, scales_loss(), control);
  backend_.update(optimiser_, update);
  begin(StepPart::kHeadUpdate);
  head_.update();
  begin(StepPart::kEnd);
}

}  // namespace qcface::train
