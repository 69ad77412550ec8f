#include "harness/train/engine.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace qcface::train {

Engine::Engine(std::unique_ptr<nn::Backend> backend, const nn::Graph& graph, const EngineOptions& options,
               Communicator& communicator)
    : options_(options),
      communicator_(communicator),
      backend_(std::move(backend)),
      network_(graph, *backend_),
      head_(*backend_, options.head, options.optimiser, options.classes, network_.output_width(),
            options.largest_batch, communicator, options.sample_rate),
      normaliser_(options.preparation.mean, options.preparation.std),
      step_(*backend_, network_, head_, options.optimiser, normaliser_.table(), options.largest_batch,
            options.accumulate, communicator, options.exchange),
      queue_(backend_->make_step_queue(step_.most_input_bytes(), step_.results(), step_.result_bytes(),
                                       communicator.enqueues())) {
  if (options.sync_bn && communicator.size() > 1) backend_->share_batch_norm(communicator);
}

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

std::optional<FinishedStep> Engine::step(const data::Batch& batch, const StepOrder& order) {
  require(batch.pixels != nullptr, "training: the loader must deliver 8-bit pixels");
  const std::int64_t n = order.size;
  const nn::DropoutRecord dropout{options_.seed, static_cast<std::uint64_t>(order.batch), batch.first_row,
                                  static_cast<std::uint32_t>(order.epoch), 0};
  step_.fill(queue_->inputs(), order.lr, dropout, batch.labels, batch.pixels, n);
  if (step_.prepare(n)) {
    backend_->synchronize();
    queue_->forget();
  }
  queue_->run(step_.input_bytes(n), static_cast<int>(n),
              [&](const std::byte* inputs) { step_.run(inputs, n); });
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

std::vector<float> Engine::images(const std::byte* inputs, Share rows) const {
  const std::size_t elements = network_.graph().nodes().front().shape.elements(), plane = elements / 3;
  const std::uint8_t* const pixels =
      step_.pixels_of(inputs) + static_cast<std::size_t>(rows.first) * elements;
  std::vector<float> values(static_cast<std::size_t>(rows.count) * elements);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t sample = i / elements, c = i / plane % 3;
    values[i] = normaliser_.value(static_cast<int>(c), pixels[(sample * plane + i % plane) * 3 + c]);
  }
  return values;
}

// Runs the step again layer by layer, with the weights from before it, to name the first tensor that is not finite.
void Engine::stop(const StepOrder& order, const std::byte* inputs, const std::string& found) {
  backend_->synchronize();
  const std::int64_t n = order.size, width = head_.width();
  const auto search = [&](std::int64_t part, std::span<const float> gradient) {
    nn::DropoutKey key;
    key.drawn = step_.dropout_of(inputs, part);
    const Share rows = step_.part_of(part, n);
    return network_.find_non_finite(images(inputs, rows), static_cast<int>(rows.count), key, gradient);
  };
  std::string where;
  for (std::int64_t part = 0; where.empty() && part < step_.parts_of(n); ++part) where = search(part, {});
  // With several ranks the head cannot be asked again: the others are elsewhere.
  if (where.empty() && communicator_.size() == 1) {
    try {
      const nn::Memory again = backend_->allocate(step_.input_bytes(n), "the step once more");
      backend_->copy_to_device(again.data(), inputs, again.bytes());
      const float* const dx = step_.head_gradient(again.data(), n);
      head_.check(n);
      std::vector<float> gradient(static_cast<std::size_t>(n * width));
      backend_->copy_to_host(gradient.data(), dx, gradient.size() * sizeof(float));
      for (std::int64_t part = 0; where.empty() && part < step_.parts_of(n); ++part) {
        const Share rows = step_.part_of(part, n);
        where = search(part, std::span(gradient).subspan(static_cast<std::size_t>(rows.first * width),
                                                         static_cast<std::size_t>(rows.count * width)));
      }
    } catch (const Error& error) {
      where = error.what();
    }
  }
  throw NotFinite(order, found, where);
}

}  // namespace qcface::train
