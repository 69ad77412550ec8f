#include "nn/executor.h"

#include <algorithm>

#include "core/error.h"

namespace qcface::nn {
namespace {

std::size_t idx(int i) { return static_cast<std::size_t>(i); }

const char* name_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::kConv:
      return "convolution";
    case LayerKind::kPointwise:
      return "batch norm, PReLU, add";
    case LayerKind::kCopy:
      return "copy, dropout";
    case LayerKind::kFullyConnected:
      return "fully connected";
  }
  return "?";
}

}  // namespace

// Steps: layer i runs forward in step i; step L brings in the gradient of the output (or takes the output out);
// layer i runs backward in step 2L - i.
Executor::Executor(const LoweredGraph& graph, Backend& backend, ParameterStore& parameters,
                   const CompileOptions& options)
    : graph_(graph), backend_(backend), options_(options) {
  compile(backend, parameters);
  plan_forward();
  if (options_.mode != Mode::kEval) plan_backward();
  layout_ = lay_out_arena(buffers_, backend.alignment());
}

bool Executor::needs_gradient(int value) const { return value != graph_.input || options_.input_gradient; }

void Executor::compile(Backend& backend, ParameterStore& parameters) {
  steps_.resize(graph_.layers.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Layer& layer = graph_.layers[i];
    if (options_.mode == Mode::kTrain && layer.batch_norm) {
      const Shape& shape = graph_.values[idx(layer.x)].shape;
      require(static_cast<std::int64_t>(options_.n) * shape.height * shape.width > 1,
              "{}: training batch norm needs more than one value a channel, but a batch of {} sample(s) of "
              "shape {} has "
              "one; use a batch of at least 2 (drop the last batch of one)",
              layer.name, options_.n, to_string(shape));
    }
    CompileOptions options = options_;
    options.input_gradient = needs_gradient(layer.x);
    steps_[i].compiled = backend.compile(graph_, layer, parameters, options);
  }
}

int Executor::new_buffer(std::string name, std::size_t bytes, int first, int last) {
  buffers_.push_back({std::move(name), bytes, first, last, 0});
  return static_cast<int>(buffers_.size()) - 1;
}

void Executor::touch(int buffer, int step) {
  ArenaBuffer& b = buffers_[idx(buffer)];
  b.first = std::min(b.first, step);
  b.last = std::max(b.last, step);
}

void Executor::plan_forward() {
  const int count = static_cast<int>(steps_.size());
  const bool gradients = options_.mode != Mode::kEval;
  buffer_of_.assign(graph_.values.size(), kNone);
  last_read_.assign(graph_.values.size(), -1);
  statistics_of_.assign(graph_.values.size(), kNone);
  const auto read = [&](int value, int step) {
    last_read_[idx(value)] = std::max(last_read_[idx(value)], step);
  };
  for (int i = 0; i < count; ++i) {
    const Layer& layer = graph_.layers[idx(i)];
    read(layer.x, i);
    if (layer.residual >= 0) read(layer.residual, i);
    if (gradients && steps_[idx(i)].compiled->needs().x_in_backward) read(layer.x, 2 * count - i);
  }
  read(graph_.output, count);

  const auto bytes = [&](int value) { return backend_.value_bytes(graph_.values[idx(value)], options_.n); };
  const auto make = [&](int value, int step) {
    buffer_of_[idx(value)] = new_buffer(graph_.values[idx(value)].name, bytes(value), step,
                                        std::max(step, last_read_[idx(value)]));
  };
  make(graph_.input, 0);
  for (int i = 0; i < count; ++i) {
    const Layer& layer = graph_.layers[idx(i)];
    Step& step = steps_[idx(i)];
    const LayerNeeds& needs = step.compiled->needs();
    for (const int other : {layer.residual, layer.x}) {
      const bool dies_here = other >= 0 && needs.forward_in_place && last_read_[idx(other)] == i;
      if (!dies_here || bytes(other) != bytes(layer.y) || buffer_of_[idx(layer.y)] != kNone) continue;
      const int shared = buffer_of_[idx(other)];
      buffer_of_[idx(layer.y)] = shared;
      buffers_[idx(shared)].name += ", " + graph_.values[idx(layer.y)].name;
      touch(shared, std::max(i, last_read_[idx(layer.y)]));
    }
    if (buffer_of_[idx(layer.y)] == kNone) make(layer.y, i);
    if (needs.saved_bytes > 0)
      step.saved = new_buffer(layer.name + " saved", needs.saved_bytes, i, gradients ? 2 * count - i : i);
    if (needs.statistics_bytes > 0) {
      int last = i;
      for (int reader = i + 1; reader < count; ++reader)
        if (graph_.layers[idx(reader)].x == layer.y) last = reader;
      step.statistics = statistics_of_[idx(layer.y)] =
          new_buffer(layer.name + " statistics", needs.statistics_bytes, i, last);
    }
    if (needs.forward_scratch_bytes > 0) {
      step.forward_scratch = new_buffer(layer.name + " forward scratch", needs.forward_scratch_bytes, i, i);
    }
  }
}

void Executor::plan_backward() {
  const int count = static_cast<int>(steps_.size());
  std::vector<int> gradient(graph_.values.size(), kNone);
  const Value& output = graph_.values[idx(graph_.output)];
  d_output_ = gradient[idx(graph_.output)] =
      new_buffer(output.name + " gradient", backend_.value_bytes(output, options_.n), count, count);
  for (std::size_t i = steps_.size(); i-- > 0;) plan_layer_backward(i, gradient);
  d_input_ = gradient[idx(graph_.input)];
  if (d_input_ != kNone) touch(d_input_, 2 * count + 1);
}

void Executor::plan_layer_backward(std::size_t i, std::vector<int>& gradient) {
  const int now = 2 * static_cast<int>(steps_.size()) - static_cast<int>(i);
  const Layer& layer = graph_.layers[i];
  Step& step = steps_[i];
  const LayerNeeds& needs = step.compiled->needs();
  step.dy = gradient[idx(layer.y)];
  require(step.dy != kNone, "graph: layer '{}' does not lead to the output; remove it", layer.name);
  touch(step.dy, now);

  bool dy_lives_on = false;  // as the residual's gradient
  if (layer.residual >= 0 && needs_gradient(layer.residual)) {
    int& residual = gradient[idx(layer.residual)];
    if (residual == kNone) {
      residual = step.dy;
      dy_lives_on = true;
    } else {
      step.add_residual = true;
      step.residual_gradient = residual;
      touch(residual, now);
    }
  }
  if (needs.backward_scratch_bytes > 0) {
    step.backward_scratch =
        new_buffer(layer.name + " backward scratch", needs.backward_scratch_bytes, now, now);
  }
  if (!needs_gradient(layer.x)) return;

  const Value& x = graph_.values[idx(layer.x)];
  const std::size_t bytes = backend_.value_bytes(x, options_.n);
  int& dx = gradient[idx(layer.x)];
  if (dx == kNone) {
    const bool reuse = needs.backward_in_place && !dy_lives_on && buffers_[idx(step.dy)].bytes == bytes;
    dx = reuse ? step.dy : new_buffer(x.name + " gradient", bytes, now, now);
    step.dx = dx;
  } else if (needs.accumulates) {
    step.accumulate = true;
    step.dx = dx;
  } else {
    step.add_spare = true;
    step.spare = new_buffer(x.name + " second gradient", bytes, now, now);
    step.dx = dx;
  }
  touch(dx, now);
}

std::byte* Executor::at(std::byte* arena, int buffer) const {
  return buffer == kNone ? nullptr : arena + layout_.buffers[idx(buffer)].offset;
}

void Executor::run_timed(const RunHooks& hooks, const char* phase, const Layer& layer,
                         const std::function<void()>& body) const {
  if (!hooks.profile) return body();
  backend_.synchronize();
  const auto start = std::chrono::steady_clock::now();
  body();
  backend_.synchronize();
  (*hooks.profile)[std::string(phase) + name_of(layer.kind)] +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Executor::forward(std::byte* arena, const DropoutKey& dropout, const RunHooks& hooks) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Layer& layer = graph_.layers[i];
    const Step& step = steps_[i];
    ForwardCall call;
    call.x = at(arena, buffer_of_[idx(layer.x)]);
    call.residual = layer.residual >= 0 ? at(arena, buffer_of_[idx(layer.residual)]) : nullptr;
    call.y = at(arena, buffer_of_[idx(layer.y)]);
    call.saved = at(arena, step.saved);
    call.scratch = at(arena, step.forward_scratch);
    call.y_statistics = at(arena, step.statistics);
    call.x_statistics = at(arena, statistics_of_[idx(layer.x)]);
    call.dropout = &dropout;
    run_timed(hooks, "forward  ", layer, [&] { step.compiled->forward(call); });
    if (hooks.after_layer) hooks.after_layer(layer, graph_.values[idx(layer.y)], false, call.y);
  }
}

void Executor::backward(std::byte* arena, const RunHooks& hooks) {
  const int n = options_.n;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    const Layer& layer = graph_.layers[i];
    const Step& step = steps_[i];
    BackwardCall call;
    call.x = step.compiled->needs().x_in_backward ? at(arena, buffer_of_[idx(layer.x)]) : nullptr;
    call.dy = at(arena, step.dy);
    call.dx = at(arena, step.add_spare ? step.spare : step.dx);
    call.accumulate = step.accumulate;
    call.saved = at(arena, step.saved);
    call.scratch = at(arena, step.backward_scratch);
    if (step.add_residual) {
      backend_.accumulate(graph_.values[idx(layer.y)], n, at(arena, step.residual_gradient), call.dy);
    }
    run_timed(hooks, "backward ", layer, [&] { step.compiled->backward(call); });
    if (hooks.after_gradients) hooks.after_gradients(static_cast<int>(i));
    if (step.add_spare) backend_.accumulate(graph_.values[idx(layer.x)], n, at(arena, step.dx), call.dx);
    if (hooks.after_layer && step.dx != kNone) {
      hooks.after_layer(layer, graph_.values[idx(layer.x)], true, at(arena, step.dx));
    }
  }
}

void* Executor::input(std::byte* arena) const { return at(arena, buffer_of_[idx(graph_.input)]); }
const void* Executor::output(std::byte* arena) const { return at(arena, buffer_of_[idx(graph_.output)]); }
void* Executor::output_gradient(std::byte* arena) const { return at(arena, d_output_); }
const void* Executor::input_gradient(std::byte* arena) const { return at(arena, d_input_); }

}  // namespace qcface::nn
