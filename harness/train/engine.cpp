#include "harness/train/engine.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace qcface::train {

Engine::Engine(std::unique_ptr<nn::Backend> backend, const nn::Graph& graph, const EngineOptions& options)
    : options_(options),
      backend_(std::move(backend)),
      network_(graph, *backend_),
      head_(*backend_, options.head, options.optimiser, options.classes, network_.output_width(),
            options.largest_batch),
      normaliser_(options.mean, options.std),
      step_(*backend_, network_, head_, options.optimiser, normaliser_.table(), options.largest_batch,
            options.accumulate),
      queue_(backend_->make_step_queue(step_.input_bytes(options.largest_batch), step_.results(),
                                       step_.result_bytes())) {}

void Engine::set_loss_scale(const LossScaleState& state) {
  if (!step_.scales_loss() || state.scale <= 0) return;
  scale_ = state;
  nn::LossScaleRecord record;
  record.scale = state.scale;
  record.good_steps = state.good_steps;
  step_.set_loss_scale(record);
}

void Engine::observe_parts(TrainStep::PartObserver observer) {
  queue_->forget();  // marks are recorded with the step
  step_.observe_parts(std::move(observer));
}

nn::DropoutRecord Engine::dropout(const StepOrder& order) const {
  nn::DropoutRecord record;
  record.seed = options_.seed;
  record.epoch = static_cast<std::uint32_t>(order.epoch);
  record.step = static_cast<std::uint64_t>(order.batch);
  return record;
}

std::optional<FinishedStep> Engine::step(const data::Batch& batch, const StepOrder& order) {
  require(batch.pixels != nullptr, "training: the loader must deliver 8-bit pixels");
  step_.fill(queue_->inputs(), order.lr, dropout(order), batch.labels, batch.pixels);
  if (step_.prepare(batch.size)) queue_->forget();
  queue_->run(step_.input_bytes(batch.size), static_cast<int>(batch.size),
              [&](const std::byte* inputs) { step_.run(inputs, batch.size); });
  pending_.push_back(order);
  if (pending() < queue_->depth()) return std::nullopt;
  return oldest();
}

std::optional<FinishedStep> Engine::finish() {
  if (pending_.empty()) return std::nullopt;
  return oldest();
}

FinishedStep Engine::oldest() {
  const nn::StepQueue::Finished done = queue_->wait();
  FinishedStep step;
  step.order = pending_.front();
  pending_.pop_front();
  const auto& control = reinterpret_cast<const StepFigures*>(done.results)->control;
  if (step_.scales_loss()) scale_ = {control.scale.scale, control.scale.good_steps};
  check(step.order, done);
  const nn::HeadFigures figures = step_.figures_of(done.results);
  const auto n = static_cast<std::size_t>(step.order.size);
  step.head.loss = figures.losses[0];
  step.head.loss_id = figures.losses[1];
  step.head.loss_g = figures.losses[2];
  step.head.top1 = std::count_if(figures.rank, figures.rank + n, [](std::int32_t rank) { return rank < 1; });
  step.head.top5 = std::count_if(figures.rank, figures.rank + n, [](std::int32_t rank) { return rank < 5; });
  step.head.lengths = {figures.lengths, n};
  step.head.target_probability = {figures.probability, n};
  return step;
}

void Engine::check(const StepOrder& order, const nn::StepQueue::Finished& done) {
  const auto& control = reinterpret_cast<const StepFigures*>(done.results)->control;
  if (control.embeddings.key != nn::kAllFinite) stop(order, done.inputs, "the embeddings");
  const nn::HeadFigures figures = step_.figures_of(done.results);
  const bool rows = std::all_of(figures.probability, figures.probability + order.size,
                                [](float p) { return std::isfinite(p); });
  if (!rows || !std::isfinite(figures.losses[0])) {
    head_.check(order.size);  // names tensor and row
    stop(order, done.inputs, fmt::format("the loss of head {}", head_.name()));
  }
  if (control.gradients.key == nn::kAllFinite) return;
  if (!step_.scales_loss() || control.applied_scale <= 1)
    stop(order, done.inputs, "the backbone's gradients");
  log::info("gradients overflowed with a loss scale of {}: the step was left out, the scale is {} now",
            control.applied_scale, control.scale.scale);
}

// Runs the step again in pieces, with the weights from before it, to name the first tensor that is not finite.
void Engine::stop(const StepOrder& order, const std::byte* inputs, const std::string& found) {
  backend_->synchronize();
  const int n = static_cast<int>(order.size);
  const nn::Shape& shape = network_.graph().nodes().front().shape;
  const std::size_t elements = shape.elements(), plane = elements / 3;
  const std::uint8_t* const pixels = step_.pixels_of(inputs);
  std::vector<float> images(static_cast<std::size_t>(n) * elements);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t sample = i / elements, c = i / plane % 3;
    images[i] = normaliser_.value(static_cast<int>(c), pixels[(sample * plane + i % plane) * 3 + c]);
  }
  nn::DropoutKey key;
  key.drawn = dropout(order);
  std::string where = network_.find_non_finite(images, n, key);
  if (where.empty()) {
    try {
      // The head once more, on a fresh place for its figures.
      const std::span<const float> rows = network_.forward_train(images, n, key);
      backend_->copy_to_device(head_.embeddings(), rows.data(), rows.size_bytes());
      const auto count = static_cast<std::size_t>(n);
      const nn::Memory labels = backend_->allocate(count * sizeof(std::int64_t), "labels");
      backend_->copy_to_device(labels.data(), step_.labels_of(inputs), labels.bytes());
      const nn::Memory zero = backend_->allocate(sizeof(float), "a rate of 0");
      const float* const dx = head_.forward(reinterpret_cast<const std::int64_t*>(labels.data()), n, {},
                                            zero.floats().data(), nullptr);
      head_.check(n);
      std::vector<float> gradient(rows.size());
      backend_->copy_to_host(gradient.data(), dx, rows.size_bytes());
      where = network_.find_non_finite(images, n, key, gradient);
    } catch (const Error& error) {
      where = error.what();
    }
  }
  throw NotFinite(order, found, where);
}

}  // namespace qcface::train
