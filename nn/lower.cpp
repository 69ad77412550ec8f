#include "nn/lower.h"

#include <algorithm>

#include "core/error.h"

namespace qcface::nn {
namespace {

class Lowering {
 public:
  explicit Lowering(const Graph& graph)
      : graph_(graph), uses_(graph.nodes().size()), value_of_(graph.nodes().size(), -1) {
    require(graph.output() >= 0, "graph: no output is set");
    for (std::size_t i = 0; i < nodes().size(); ++i) {
      for (const int input : nodes()[i].inputs)
        uses_[static_cast<std::size_t>(input)].push_back(static_cast<int>(i));
    }
  }

  LoweredGraph run() {
    for (std::size_t i = 0; i < nodes().size(); ++i) {
      if (value_of_[i] < 0 && !absorbed(static_cast<int>(i))) emit(static_cast<int>(i));
    }
    result_.output = packed(graph_.output());
    return std::move(result_);
  }

 private:
  const std::vector<Node>& nodes() const { return graph_.nodes(); }
  const Node& node(int i) const { return nodes()[static_cast<std::size_t>(i)]; }

  /// The one consumer of node i if that is of the given kind, else -1. The graph's output has an outside reader.
  int sole_consumer(int i, NodeKind kind) const {
    const auto& uses = uses_[static_cast<std::size_t>(i)];
    if (uses.size() != 1 || i == graph_.output() || node(uses[0]).kind != kind) return -1;
    return uses[0];
  }
  /// A batch norm whose only reader is a PReLU is fused there; one read by an addition, if it is the addition's
  /// first input, is fused there.
  int fused_into(int i) const {
    if (node(i).kind == NodeKind::kBatchNorm) {
      if (const int prelu = sole_consumer(i, NodeKind::kPRelu); prelu >= 0) return prelu;
      if (const int add = sole_consumer(i, NodeKind::kAdd); add >= 0 && node(add).inputs[0] == i) return add;
    }
    if (node(i).kind == NodeKind::kDropout) return sole_consumer(i, NodeKind::kFullyConnected);
    return -1;
  }
  bool absorbed(int i) const { return fused_into(i) >= 0; }

  int new_value(const std::string& name, const Shape& shape, Layout layout) {
    result_.values.push_back({name, shape, layout});
    return static_cast<int>(result_.values.size()) - 1;
  }
  int raw(int i) const {
    const int value = value_of_[static_cast<std::size_t>(i)];
    require(value >= 0, "graph: node '{}' is read before it is computed", node(i).name);
    return value;
  }
  /// The value of node i in packed layout; the network's input gets one conversion, shared by its readers.
  int packed(int i) {
    const int value = raw(i);
    if (result_.values[static_cast<std::size_t>(value)].layout == Layout::kPacked) return value;
    if (packed_input_ < 0) packed_input_ = copy("input", value, Layout::kPacked, 0);
    return packed_input_;
  }
  int copy(const std::string& name, int x, Layout layout, double drop) {
    Layer layer;
    layer.kind = LayerKind::kCopy;
    layer.name = name;
    layer.x = x;
    layer.drop = drop;
    const Shape shape = result_.values[static_cast<std::size_t>(x)].shape;
    layer.y = new_value(name, shape, layout);
    result_.layers.push_back(layer);
    return layer.y;
  }

  void set_batch_norm(Layer& layer, const Node& bn) {
    layer.batch_norm = true;
    layer.eps = bn.eps;
    layer.momentum = bn.momentum;
    layer.weight = bn.parameters[0];
    layer.bias = bn.parameters[1];
    layer.running_mean = bn.parameters[2];
    layer.running_var = bn.parameters[3];
  }
  /// Starts a pointwise layer on node x, taking in the batch norm that computes x if it is absorbed.
  Layer pointwise(int x) {
    Layer layer;
    layer.kind = LayerKind::kPointwise;
    if (node(x).kind == NodeKind::kBatchNorm && absorbed(x)) {
      set_batch_norm(layer, node(x));
      layer.name = node(x).name + "+";
      x = node(x).inputs[0];
    }
    layer.x = packed(x);
    return layer;
  }
  void finish(Layer layer, int i) {
    layer.name += node(i).name;
    layer.y = new_value(node(i).name, node(i).shape, Layout::kPacked);
    value_of_[static_cast<std::size_t>(i)] = layer.y;
    result_.layers.push_back(std::move(layer));
  }

  void emit(int i) {
    const Node& n = node(i);
    Layer layer;
    switch (n.kind) {
      case NodeKind::kInput: {
        result_.input = new_value(n.name, n.shape, Layout::kPlain);
        result_.values.back().images = only_convs_read_input();
        value_of_[static_cast<std::size_t>(i)] = result_.input;
        return;
      }
      case NodeKind::kConv:
        // A convolution may read the images as they are; it then needs no converted copy of them.
        layer.x = only_convs_read_input() ? raw(n.inputs[0]) : packed(n.inputs[0]);
        layer.kernel = n.kernel;
        layer.stride = n.stride;
        layer.padding = n.padding;
        layer.weight = n.parameters[0];
        break;
      case NodeKind::kBatchNorm:
        layer.kind = LayerKind::kPointwise;
        layer.x = packed(n.inputs[0]);
        set_batch_norm(layer, n);
        break;
      case NodeKind::kPRelu:
        layer = pointwise(n.inputs[0]);
        layer.slope = n.parameters[0];
        break;
      case NodeKind::kAdd:
        layer = pointwise(n.inputs[0]);
        layer.residual = packed(n.inputs[1]);
        break;
      case NodeKind::kDropout: {
        value_of_[static_cast<std::size_t>(i)] =
            copy(n.name, packed(n.inputs[0]), Layout::kPacked, n.probability);
        return;
      }
      case NodeKind::kFullyConnected: {
        int x = n.inputs[0];
        const bool drop = node(x).kind == NodeKind::kDropout && absorbed(x);
        const double probability = drop ? node(x).probability : 0;
        if (drop) x = node(x).inputs[0];
        layer.kind = LayerKind::kFullyConnected;
        layer.x = copy(drop ? "dropout+flatten" : "flatten", raw(x), Layout::kPlain, probability);
        layer.weight = n.parameters[0];
        layer.bias = n.parameters[1];
        break;
      }
    }
    finish(std::move(layer), i);
  }
  bool only_convs_read_input() const {
    return !uses_[0].empty() && std::all_of(uses_[0].begin(), uses_[0].end(),
                                            [&](int user) { return node(user).kind == NodeKind::kConv; });
  }

  const Graph& graph_;
  std::vector<std::vector<int>> uses_;  // readers of each node
  std::vector<int> value_of_;           // value of each node, -1 if none (yet)
  LoweredGraph result_;
  int packed_input_ = -1;
};

}  // namespace

LoweredGraph lower(const Graph& graph) { return Lowering(graph).run(); }

}  // namespace qcface::nn
