// From the graph as written to the layers that run: batch norm, residual addition and PReLU become one pointwise
// layer (one pass over memory), dropout rides on the flattening copy.
#pragma once

#include <string>
#include <vector>

#include "nn/graph.h"

namespace qcface::nn {

enum class Layout {
  kPlain,   // row-major [N, C, H, W]
  kPacked,  // the backend's own (channel-blocked on the CPU)
};

struct Value {
  std::string name;  // of the node whose output it is
  Shape shape;
  Layout layout = Layout::kPacked;
  bool images = false;  // the graph's input, read by convolutions only: a backend may keep it in any layout
};

enum class LayerKind {
  kConv,
  kPointwise,       // y = prelu(batch_norm(x) + residual), each part optional
  kCopy,            // change of layout, with dropout of whole planes on the way if drop > 0
  kFullyConnected,  // plain [N, in] -> packed vector
};

struct Layer {
  LayerKind kind = LayerKind::kConv;
  std::string name;                   // names of the fused nodes, joined by '+'
  int x = -1, residual = -1, y = -1;  // value numbers
  int kernel = 0, stride = 1, padding = 0;
  bool batch_norm = false;
  float eps = 0, momentum = 0;
  double drop = 0;
  // Tensor numbers, -1 where the layer has none.
  int weight = -1, bias = -1;  // of the convolution, the fully connected layer or the batch norm
  int running_mean = -1, running_var = -1;
  int slope = -1;  // PReLU
};

struct LoweredGraph {
  std::vector<Value> values;
  std::vector<Layer> layers;  // in order of execution
  int input = -1;
  int output = -1;
};

/// Throws Error naming a node that cannot be lowered (an output nobody computes, an input without consumer).
LoweredGraph lower(const Graph& graph);

}  // namespace qcface::nn
