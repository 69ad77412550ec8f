// A lowered graph compiled for one batch size and mode: layers, where every value and gradient lives, and the
// order of steps. Internal to the room; Network is the public face.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/arena_layout.h"
#include "nn/backend.h"
#include "nn/lower.h"
#include "nn/parameters.h"

namespace qcface::nn {

/// What a run reports to. All optional.
struct RunHooks {
  /// After each layer: its value (or, with gradient set, the gradient of its input), in device layout.
  std::function<void(const Layer& layer, const Value& value, bool gradient, const void* device)> after_layer;
  /// After each layer's backward: the gradients of its parameters are written, or enqueued on the backend's stream. Layers come in
  /// reverse, by their number in the graph.
  std::function<void(int layer)> after_gradients;
  /// Seconds by "forward conv" and the like; null: not counted.
  std::map<std::string, double>* profile = nullptr;
};

class Executor {
 public:
  Executor(const LoweredGraph& graph, Backend& backend, ParameterStore& parameters,
           const CompileOptions& options);

  const ArenaLayout& layout() const { return layout_; }
  int n() const { return options_.n; }
  Mode mode() const { return options_.mode; }

  /// arena: at least layout().peak_bytes, aligned as the backend asks. The input value must lie at input() already.
  void forward(std::byte* arena, const DropoutKey& dropout, const RunHooks& hooks);
  /// After forward on the same, otherwise untouched arena, with the gradient of the output at output_gradient().
  void backward(std::byte* arena, const RunHooks& hooks);

  // Values in device layout.
  void* input(std::byte* arena) const;
  const void* output(std::byte* arena) const;
  void* output_gradient(std::byte* arena) const;
  /// Gradient of the input value; only with options.input_gradient.
  const void* input_gradient(std::byte* arena) const;

 private:
  static constexpr int kNone = -1;
  struct Step {
    std::unique_ptr<CompiledLayer> compiled;
    int saved = kNone, forward_scratch = kNone, backward_scratch = kNone;  // buffers
    int dy = kNone, dx = kNone, spare = kNone;                             // buffers of gradients
    bool accumulate = false;                                               // the layer adds to dx itself
    bool add_spare = false;     // dx of this layer lands in spare and is added
    bool add_residual = false;  // the residual has another gradient already: add dy to it
    int residual_gradient = kNone;
    int statistics = kNone;  // of y
  };

  int new_buffer(std::string name, std::size_t bytes, int first, int last);
  void touch(int buffer, int step);
  void compile(Backend& backend, ParameterStore& parameters);
  void plan_forward();
  void plan_backward();
  void plan_layer_backward(std::size_t i, std::vector<int>& gradient);
  bool needs_gradient(int value) const;
  std::byte* at(std::byte* arena, int buffer) const;
  void run_timed(const RunHooks& hooks, const char* phase, const Layer& layer,
                 const std::function<void()>& body) const;

  const LoweredGraph& graph_;
  Backend& backend_;
  CompileOptions options_;
  std::vector<Step> steps_;
  std::vector<int> buffer_of_;      // buffer of each value
  std::vector<int> last_read_;      // last step that reads each value, backward included
  std::vector<int> statistics_of_;  // buffer of each value's statistics, if its layer leaves any
  std::vector<ArenaBuffer> buffers_;
  ArenaLayout layout_;
  int d_output_ = kNone, d_input_ = kNone;
};

}  // namespace qcface::nn
