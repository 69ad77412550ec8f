// A network as data: nodes with inferred shapes and the parameters they own. No backend, no memory, no batch
// size. Backends get the fused form (nn/lower.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::nn {

/// Shape of one sample: an image [channels, height, width], or, if flat, a vector [channels].
struct Shape {
  int channels = 0;
  int height = 1;
  int width = 1;
  bool flat = false;
  std::size_t elements() const { return static_cast<std::size_t>(channels) * height * width; }
  bool operator==(const Shape&) const = default;
};
std::string to_string(const Shape& shape);  // "[64, 112, 112]" or "[512]"

enum class TensorKind { kWeight, kBuffer };  // buffers (running statistics) get no gradient

/// How initialise() fills a tensor.
enum class Init { kZero, kOne, kQuarter, kConvFanOut, kUniformFanIn };

struct TensorSpec {
  std::string name;                 // "layer1.0.conv1.weight"
  std::vector<std::int64_t> shape;  // canonical: convolutions [out, in, kh, kw], fully connected [out, in]
  TensorKind kind = TensorKind::kWeight;
  Init init = Init::kZero;
  std::int64_t fan = 0;  // kConvFanOut: out * kh * kw; kUniformFanIn: in
  std::size_t elements() const;
};

enum class NodeKind { kInput, kConv, kBatchNorm, kPRelu, kAdd, kDropout, kFullyConnected };

struct Node {
  NodeKind kind = NodeKind::kInput;
  std::string name;
  std::vector<int> inputs;                  // node numbers
  Shape shape;                              // of the output
  std::vector<int> parameters;              // tensor numbers, in state order
  int kernel = 0, stride = 1, padding = 0;  // kConv
  float eps = 0, momentum = 0;              // kBatchNorm; momentum in torch's sense: weight of the new value
  double probability = 0;                   // kDropout: of dropping a plane
};

/// Every builder returns the number of the new node and throws Error naming the node, the shapes seen and what
/// was expected when the shapes do not fit. Parameters are appended in the order of the calls.
class Graph {
 public:
  int input(const Shape& shape);
  /// Square kernel, no bias.
  int conv(const std::string& name, int x, int out_channels, int kernel, int stride, int padding);
  /// Over images per channel (samples and pixels), over vectors per feature.
  int batch_norm(const std::string& name, int x, float eps, float momentum);
  /// One slope a channel.
  int prelu(const std::string& name, int x);
  int add(const std::string& name, int a, int b);
  /// Drops whole planes (n, c); a probability of 0 adds no node and returns x.
  int dropout(const std::string& name, int x, double probability);
  /// Flattens channel-major (c * H * W + h * W + w); with bias.
  int fully_connected(const std::string& name, int x, int out_features);
  /// Exactly one output.
  void set_output(int node);

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  int output() const { return output_; }

 private:
  int append(Node node);
  const Shape& shape_of(int node, std::string_view user) const;
  int tensor(TensorSpec spec);

  std::vector<Node> nodes_;
  std::vector<TensorSpec> tensors_;
  int output_ = -1;
};

}  // namespace qcface::nn
