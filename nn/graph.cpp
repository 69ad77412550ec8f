#include "nn/graph.h"

#include <utility>

#include "core/error.h"

namespace qcface::nn {

std::string to_string(const Shape& shape) {
  if (shape.flat) return fmt::format("[{}]", shape.channels);
  return fmt::format("[{}, {}, {}]", shape.channels, shape.height, shape.width);
}

std::size_t TensorSpec::elements() const {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  return count;
}

int Graph::append(Node node) {
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

int Graph::tensor(TensorSpec spec) {
  for (const TensorSpec& other : tensors_) {
    require(other.name != spec.name, "graph: tensor '{}' is declared twice; give each layer its own name",
            spec.name);
  }
  tensors_.push_back(std::move(spec));
  return static_cast<int>(tensors_.size()) - 1;
}

const Shape& Graph::shape_of(int node, std::string_view user) const {
  require(node >= 0 && node < static_cast<int>(nodes_.size()),
          "graph: layer '{}' takes node {} but there are {} nodes", user, node, nodes_.size());
  return nodes_[static_cast<std::size_t>(node)].shape;
}

int Graph::input(const Shape& shape) {
  require(nodes_.empty(), "graph: the input must be the first node and the only input");
  require(shape.channels > 0 && shape.height > 0 && shape.width > 0,
          "graph: input shape {} has an empty extent", to_string(shape));
  Node node;
  node.kind = NodeKind::kInput;
  node.name = "input";
  node.shape = shape;
  return append(std::move(node));
}

int Graph::conv(const std::string& name, int x, int out_channels, int kernel, int stride, int padding) {
  const Shape in = shape_of(x, name);
  require(!in.flat, "{}: a convolution needs an image [C, H, W], got the vector {}", name, to_string(in));
  require(
      out_channels > 0 && kernel > 0 && stride > 0 && padding >= 0 && padding < kernel,
      "{}: out_channels {}, kernel {}, stride {}, padding {}: expected positive numbers and padding < kernel",
      name, out_channels, kernel, stride, padding);
  require(in.height + 2 * padding >= kernel && in.width + 2 * padding >= kernel,
          "{}: a {}x{} kernel with padding {} does not fit into the image {}", name, kernel, kernel, padding,
          to_string(in));
  Node node;
  node.kind = NodeKind::kConv;
  node.name = name;
  node.inputs = {x};
  node.shape = {out_channels, (in.height + 2 * padding - kernel) / stride + 1,
                (in.width + 2 * padding - kernel) / stride + 1};
  node.kernel = kernel;
  node.stride = stride;
  node.padding = padding;
  const std::int64_t fan_out = std::int64_t{out_channels} * kernel * kernel;
  node.parameters = {tensor({name + ".weight",
                             {out_channels, in.channels, kernel, kernel},
                             TensorKind::kWeight,
                             Init::kConvFanOut,
                             fan_out})};
  return append(std::move(node));
}

int Graph::batch_norm(const std::string& name, int x, float eps, float momentum) {
  const Shape in = shape_of(x, name);
  require(eps > 0 && momentum >= 0 && momentum <= 1, "{}: eps {} must be positive and momentum {} in [0, 1]",
          name, eps, momentum);
  Node node;
  node.kind = NodeKind::kBatchNorm;
  node.name = name;
  node.inputs = {x};
  node.shape = in;
  node.eps = eps;
  node.momentum = momentum;
  const std::vector<std::int64_t> shape{in.channels};
  node.parameters = {tensor({name + ".weight", shape, TensorKind::kWeight, Init::kOne, 0}),
                     tensor({name + ".bias", shape, TensorKind::kWeight, Init::kZero, 0}),
                     tensor({name + ".running_mean", shape, TensorKind::kBuffer, Init::kZero, 0}),
                     tensor({name + ".running_var", shape, TensorKind::kBuffer, Init::kOne, 0})};
  return append(std::move(node));
}

int Graph::prelu(const std::string& name, int x) {
  Node node;
  node.kind = NodeKind::kPRelu;
  node.name = name;
  node.inputs = {x};
  node.shape = shape_of(x, name);
  node.parameters = {
      tensor({name + ".weight", {node.shape.channels}, TensorKind::kWeight, Init::kQuarter, 0})};
  return append(std::move(node));
}

int Graph::add(const std::string& name, int a, int b) {
  const Shape& left = shape_of(a, name);
  const Shape& right = shape_of(b, name);
  require(left == right, "{}: cannot add {} and {}; both sides of an addition need the same shape", name,
          to_string(left), to_string(right));
  Node node;
  node.kind = NodeKind::kAdd;
  node.name = name;
  node.inputs = {a, b};
  node.shape = left;
  return append(std::move(node));
}

int Graph::dropout(const std::string& name, int x, double probability) {
  const Shape in = shape_of(x, name);
  require(probability >= 0 && probability < 1, "{}: dropout probability {} must be in [0, 1)", name,
          probability);
  if (probability == 0) return x;
  Node node;
  node.kind = NodeKind::kDropout;
  node.name = name;
  node.inputs = {x};
  node.shape = in;
  node.probability = probability;
  return append(std::move(node));
}

int Graph::fully_connected(const std::string& name, int x, int out_features) {
  const Shape in = shape_of(x, name);
  require(out_features > 0, "{}: out_features {} must be positive", name, out_features);
  Node node;
  node.kind = NodeKind::kFullyConnected;
  node.name = name;
  node.inputs = {x};
  node.shape = {out_features, 1, 1, true};
  const auto fan_in = static_cast<std::int64_t>(in.elements());
  node.parameters = {
      tensor({name + ".weight", {out_features, fan_in}, TensorKind::kWeight, Init::kUniformFanIn, fan_in}),
      tensor({name + ".bias", {out_features}, TensorKind::kWeight, Init::kUniformFanIn, fan_in})};
  return append(std::move(node));
}

void Graph::set_output(int node) {
  shape_of(node, "output");
  output_ = node;
}

}  // namespace qcface::nn
