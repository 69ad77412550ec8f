#include "nn/network.h"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "nn/executor.h"
#include "nn/optimiser.h"

namespace qcface::nn {
namespace {

std::vector<std::unique_ptr<ParameterLayout>> weight_layouts(const Graph& graph, const Backend& backend) {
  std::vector<std::unique_ptr<ParameterLayout>> layouts(graph.tensors().size());
  const LoweredGraph lowered = lower(graph);
  for (const Layer& layer : lowered.layers) {
    if (layer.kind == LayerKind::kConv || layer.kind == LayerKind::kFullyConnected) {
      layouts[static_cast<std::size_t>(layer.weight)] = backend.weight_layout(lowered, layer);
    }
  }
  return layouts;
}

/// Brackets a run on the backend.
class Running {
 public:
  explicit Running(Backend& backend) : backend_(backend) { backend_.begin(); }
  ~Running() { backend_.end(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Backend& backend_;
};

/// "element [1, 3, 0, 7] is nan", or empty.
std::string describe_non_finite(std::span<const float> values, const Shape& shape) {
  if (all_finite(values, 1)) return {};
  std::size_t i = 0;
  while (std::isfinite(values[i])) ++i;
  const std::size_t plane = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
  const std::size_t n = i / shape.elements(), rest = i % shape.elements();
  const std::size_t c = rest / plane, h = rest % plane / static_cast<std::size_t>(shape.width);
  const std::size_t w = rest % static_cast<std::size_t>(shape.width);
  if (shape.flat) return fmt::format("element [{}, {}] is {}", n, c, values[i]);
  return fmt::format("element [{}, {}, {}, {}] is {}", n, c, h, w, values[i]);
}

}  // namespace

const char* name_of(Mode mode) {
  switch (mode) {
    case Mode::kEval:
      return "evaluation";
    case Mode::kTrain:
      return "training";
    case Mode::kFrozen:
      return "frozen";
  }
  return "?";
}

struct Network::State {
  LoweredGraph lowered;
  std::map<std::pair<int, Mode>, std::unique_ptr<Executor>> executors;
  Memory arena;
  std::vector<float> output;  // [N, D]
  Executor* last = nullptr;   // whose activations the arena holds, ready for backward
  bool input_gradient = false;
  Inspector inspector;
  bool profiling = false;
  std::map<std::string, double> profile;
};

Network::Network(Graph graph, Backend& backend)
    : graph_(std::move(graph)),
      backend_(backend),
      parameters_(graph_.tensors(), backend, weight_layouts(graph_, backend)),
      state_(std::make_unique<State>()) {
  state_->lowered = lower(graph_);
}

Network::~Network() = default;

int Network::output_width() const {
  return static_cast<int>(
      state_->lowered.values[static_cast<std::size_t>(state_->lowered.output)].shape.elements());
}

Executor& Network::executor(int n, Mode mode) {
  require(n >= 1, "network: a batch of {} samples; at least 1 is needed", n);
  auto& slot = state_->executors[{n, mode}];
  if (!slot) {
    const Running running(backend_);
    slot = std::make_unique<Executor>(state_->lowered, backend_, parameters_,
                                      CompileOptions{n, mode, state_->input_gradient && mode != Mode::kEval});
  }
  return *slot;
}

const ArenaLayout& Network::arena_layout(int n, Mode mode) { return executor(n, mode).layout(); }

std::string Network::describe_arena(int n, Mode mode) {
  return fmt::format("{} on {}, batch {}: {}", name_of(mode), backend_.name(), n,
                     to_string(arena_layout(n, mode)));
}

std::size_t Network::arena_bytes() const { return state_->arena.bytes(); }

void Network::set_inspector(Inspector inspector) { state_->inspector = std::move(inspector); }

void Network::set_profiling(bool on) { state_->profiling = on; }

std::string Network::take_profile() {
  std::string text;
  for (const auto& [name, seconds] : std::exchange(state_->profile, {}))
    text += fmt::format("{:9.3f} s  {}\n", seconds, name);
  return text;
}

void Network::enable_input_gradient() {
  require(state_->executors.empty(),
          "network: enable_input_gradient() must come before the first run or layout");
  state_->input_gradient = true;
}

namespace {

RunHooks make_hooks(const Backend& backend, int n, const Network::Inspector& inspector,
                    std::map<std::string, double>* profile) {
  RunHooks hooks;
  hooks.profile = profile;
  if (inspector) {
    hooks.after_layer = [&backend, &inspector, n](const Layer& layer, const Value& value, bool gradient,
                                                  const void* device) {
      std::vector<float> canonical(static_cast<std::size_t>(n) * value.shape.elements());
      backend.export_value(value, n, device, canonical.data());
      inspector(layer.name, gradient, canonical);
    };
  }
  return hooks;
}

}  // namespace

std::span<const float> Network::forward(std::span<const float> images, int n, Mode mode,
                                        const DropoutKey& dropout) {
  Executor& run = executor(n, mode);
  State& state = *state_;
  const Shape& shape = state.lowered.values[static_cast<std::size_t>(state.lowered.input)].shape;
  require(images.size() == static_cast<std::size_t>(n) * shape.elements(),
          "network: {} image values given for a batch of {}; images of shape {} need {}", images.size(), n,
          to_string(shape), static_cast<std::size_t>(n) * shape.elements());
  reserve(run);
  state.last = nullptr;
  const Value& output = state.lowered.values[static_cast<std::size_t>(state.lowered.output)];
  const Running running(backend_);
  backend_.import_value(state.lowered.values[static_cast<std::size_t>(state.lowered.input)], n, images.data(),
                        run.input(state.arena.data()));
  run.forward(state.arena.data(), dropout,
              make_hooks(backend_, n, state.inspector, state.profiling ? &state.profile : nullptr));
  state.output.resize(static_cast<std::size_t>(n) * output.shape.elements());
  backend_.export_value(output, n, run.output(state.arena.data()), state.output.data());
  if (mode != Mode::kEval) state.last = &run;
  return state.output;
}

void Network::reserve(const Executor& run) {
  Memory& arena = state_->arena;
  if (arena.bytes() >= run.layout().peak_bytes) return;
  arena = Memory();  // free before allocating: the old contents are of no use
  arena = backend_.allocate(run.layout().peak_bytes, "activations");
}

const void* Network::arena() const { return state_->arena.data(); }

void Network::prepare(int n, Mode mode) { reserve(executor(n, mode)); }

void Network::forward_device(const DeviceImages& images, int n, Mode mode, const DropoutKey& dropout,
                             float* embeddings) {
  Executor& run = executor(n, mode);
  State& state = *state_;
  reserve(run);
  state.last = nullptr;
  const Running running(backend_);
  backend_.import_images(state.lowered.values[static_cast<std::size_t>(state.lowered.input)], n, images,
                         run.input(state.arena.data()));
  run.forward(state.arena.data(), dropout,
              make_hooks(backend_, n, state.inspector, state.profiling ? &state.profile : nullptr));
  if (mode != Mode::kEval) state.last = &run;
  backend_.export_rows(state.lowered.values[static_cast<std::size_t>(state.lowered.output)], n,
                       run.output(state.arena.data()), embeddings);
}

std::vector<GradientBucket> Network::gradient_buckets(std::size_t bytes) const {
  return make_gradient_buckets(state_->lowered, parameters_, bytes);
}

void Network::backward_device(const float* d_embedding, const float* loss_scale,
                              const std::function<void(int layer)>& after_gradients) {
  State& state = *state_;
  require(state.last != nullptr,
          "network: backward_device() needs a forward_device() for training just before it");
  Executor& run = *std::exchange(state.last, nullptr);
  const Running running(backend_);
  backend_.import_gradient(state.lowered.values[static_cast<std::size_t>(state.lowered.output)], run.n(),
                           d_embedding, loss_scale, run.output_gradient(state.arena.data()));
  RunHooks hooks = make_hooks(backend_, run.n(), state.inspector, state.profiling ? &state.profile : nullptr);
  hooks.after_gradients = after_gradients;
  run.backward(state.arena.data(), hooks);
}

std::span<const float> Network::forward_train(std::span<const float> images, int n,
                                              const DropoutKey& dropout) {
  return forward(images, n, Mode::kTrain, dropout);
}
std::span<const float> Network::forward_eval(std::span<const float> images, int n) {
  return forward(images, n, Mode::kEval, {});
}
std::span<const float> Network::forward_frozen(std::span<const float> images, int n) {
  return forward(images, n, Mode::kFrozen, {});
}

void Network::backward(std::span<const float> d_embedding, std::span<float> d_images) {
  State& state = *state_;
  require(state.last != nullptr,
          "network: backward() needs a forward_train() or forward_frozen() just before it");
  Executor& run =
      *std::exchange(state.last, nullptr);  // gradients overwrite activations: one backward a forward
  const std::size_t width = static_cast<std::size_t>(output_width());
  require(d_embedding.size() == static_cast<std::size_t>(run.n()) * width,
          "network: d_embedding has {} values; the last batch needs {} x {}", d_embedding.size(), run.n(),
          width);
  const Value& input = state.lowered.values[static_cast<std::size_t>(state.lowered.input)];
  const std::size_t image_values = static_cast<std::size_t>(run.n()) * input.shape.elements();
  require(d_images.empty() || state.input_gradient,
          "network: the gradient of the images was not asked for; call enable_input_gradient() first");
  require(d_images.empty() || d_images.size() == image_values,
          "network: d_images has {} values; the last batch needs {}", d_images.size(), image_values);
  const Running running(backend_);
  backend_.import_value(state.lowered.values[static_cast<std::size_t>(state.lowered.output)], run.n(),
                        d_embedding.data(), run.output_gradient(state.arena.data()));
  run.backward(state.arena.data(),
               make_hooks(backend_, run.n(), state.inspector, state.profiling ? &state.profile : nullptr));
  if (!d_images.empty()) {
    backend_.export_value(input, run.n(), run.input_gradient(state.arena.data()), d_images.data());
  }
}

std::string Network::find_non_finite(std::span<const float> images, int n, const DropoutKey& dropout,
                                     std::span<const float> d_embedding) {
  const Shape& shape = graph_.nodes().front().shape;
  if (std::string where = describe_non_finite(images, shape); !where.empty()) {
    return fmt::format("the images of the batch are not finite: {}", where);
  }
  // Running statistics are left out: the failed step has written them already, and training does not read them.
  for (std::size_t i = 0; i < parameters_.tensors().size(); ++i) {
    const TensorSpec& tensor = parameters_.tensors()[i];
    if (tensor.kind == TensorKind::kWeight && !all_finite(parameters_.values(tensor.name))) {
      return fmt::format("parameter '{}' is not finite", tensor.name);
    }
  }
  std::string found;
  const auto shape_of = [&](std::string_view layer, bool gradient) -> Shape {
    for (const Layer& candidate : state_->lowered.layers) {
      if (candidate.name == layer)
        return state_->lowered.values[static_cast<std::size_t>(gradient ? candidate.x : candidate.y)].shape;
    }
    return {};
  };
  Inspector previous = std::exchange(
      state_->inspector, [&](std::string_view layer, bool gradient, std::span<const float> values) {
        if (!found.empty()) return;
        const std::string where = describe_non_finite(values, shape_of(layer, gradient));
        if (!where.empty())
          found = fmt::format("{} of layer '{}' is not finite: {}", gradient ? "input gradient" : "output",
                              layer, where);
      });
  const std::span<float> buffers = parameters_.buffers();
  std::vector<float> statistics(buffers.size());
  backend_.copy_to_host(statistics.data(), buffers.data(), buffers.size_bytes());
  const auto restore = [&] {
    state_->inspector = std::move(previous);
    backend_.copy_to_device(buffers.data(), statistics.data(), buffers.size_bytes());
  };
  try {
    forward_train(images, n, dropout);
    if (found.empty() && !d_embedding.empty()) {
      const std::string where = describe_non_finite(d_embedding, {output_width(), 1, 1, true});
      if (!where.empty()) found = fmt::format("the gradient of the embeddings is not finite: {}", where);
      if (found.empty()) backward(d_embedding);
      if (found.empty()) {
        const std::string name = parameters_.first_non_finite(TensorRole::kGradient);
        if (!name.empty()) found = fmt::format("the gradient of parameter '{}' is not finite", name);
      }
    }
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return found;
}

}  // namespace qcface::nn
