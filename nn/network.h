// A network that runs: a graph, its parameters, and one compiled executor for every (batch size, mode) seen.
// All executors share one arena, sized to the largest layout among them; once every size has been seen, steps
// allocate nothing.
//
// Determinism: forward and backward give the same bits for the same inputs, parameters, dropout key and number
// of compute threads, in any process. The number of compute threads is part of that promise (the library's
// convolution gradients split their sums by thread); nothing else is: not the worker threads that load data, not
// which batch sizes ran before.
//
// A network is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/arena_layout.h"
#include "nn/backend.h"
#include "nn/gradient_buckets.h"
#include "nn/graph.h"
#include "nn/parameters.h"

namespace qcface::nn {

class Executor;

class Network {
 public:
  /// `backend` must outlive the network.
  Network(Graph graph, Backend& backend);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const Graph& graph() const { return graph_; }
  ParameterStore& parameters() { return parameters_; }
  const ParameterStore& parameters() const { return parameters_; }
  int output_width() const;  // D

  /// images: [N, C, H, W] as the graph's input, row-major; borrowed during the call. Returns the embeddings
  /// [N, D], valid until the next forward call.
  /// Errors: N < 1 or a span of another size; N = 1 in training, for which batch norm over vectors is undefined;
  /// a keep mask of another size than [N, C].
  std::span<const float> forward_train(std::span<const float> images, int n, const DropoutKey& dropout = {});
  std::span<const float> forward_eval(std::span<const float> images, int n);
  /// As forward_eval, but backward() may follow.
  std::span<const float> forward_frozen(std::span<const float> images, int n);

  /// d_embedding: [N, D], gradient of the loss with respect to the embeddings of the last forward_train or
  /// forward_frozen (Error if there was none). Overwrites parameters().gradients(). d_images, if not empty,
  /// receives the gradient of the images [N, C, H, W]; it must then have been asked for by
  /// enable_input_gradient().
  void backward(std::span<const float> d_embedding, std::span<float> d_images = {});
  void enable_input_gradient();  // before the first forward call

  // ---- device path: images, embeddings and their gradient stay in the backend's memory ----
  // Nothing here synchronises, and after prepare() nothing allocates, so that a step can be captured. Errors as above, and
  // for a network whose output is no vector.

  /// Compiles (n, mode) and grows the arena to it; later runs of it allocate nothing.
  void prepare(int n, Mode mode);
  /// embeddings: receives them, fp32 [N, D].
  void forward_device(const DeviceImages& images, int n, Mode mode, const DropoutKey& dropout,
                      float* embeddings);
  /// d_embedding: fp32 [N, D], multiplied by the scalar *loss_scale if given: the gradients of the parameters then carry
  /// that factor. after_gradients, if given, is called after each layer as in RunHooks: what it enqueues on the backend's stream
  /// finds the gradients of that layer and of all behind it.
  void backward_device(const float* d_embedding, const float* loss_scale = nullptr,
                       const std::function<void(int layer)>& after_gradients = {});
  /// Its gradients cut into buckets of about `bytes` (nn/gradient_buckets.h), for after_gradients.
  std::vector<GradientBucket> gradient_buckets(std::size_t bytes) const;
  /// Start of the arena, which tells whether it was moved since.
  const void* arena() const;

  /// Compiles the executor if needed; the arena grows at the first forward call.
  const ArenaLayout& arena_layout(int n, Mode mode);
  std::string describe_arena(int n, Mode mode);
  std::size_t arena_bytes() const;

  /// Called with the name of a layer and its output (or, in backward, the gradient of its input), canonical
  /// [N, C, H, W] values, after each layer. Slow; an empty function turns it off.
  using Inspector = std::function<void(std::string_view layer, bool gradient, std::span<const float> values)>;
  void set_inspector(Inspector inspector);

  /// For a step that has just given NaN or infinity: runs the same step again, layer by layer, and returns a
  /// sentence that names the first tensor and layer with a value that is not finite, and the value's position
  /// (images first, then parameters, layer outputs, d_embedding if given, gradients). Empty if all are finite.
  /// Running statistics are restored afterwards.
  std::string find_non_finite(std::span<const float> images, int n, const DropoutKey& dropout,
                              std::span<const float> d_embedding = {});

  /// Seconds spent in each kind of layer since the last call, forward and backward apart, as text lines; only
  /// counted while profiling is on.
  void set_profiling(bool on);
  std::string take_profile();

 private:
  Executor& executor(int n, Mode mode);
  void reserve(const Executor& run);
  std::span<const float> forward(std::span<const float> images, int n, Mode mode, const DropoutKey& dropout);

  Graph graph_;
  Backend& backend_;
  ParameterStore parameters_;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qcface::nn
