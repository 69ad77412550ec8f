#include "bench/step/floor.h"

#include <algorithm>
#include <vector>

#include "bench/head/options.h"

namespace qcface::bench {

double StepFloor::head_ms(const Rates& r) const {
  if (r.gflops <= 0 || r.gbytes <= 0) return 0;
  return std::max(head_flops / r.gflops, head_bytes / r.gbytes) * 1e-6;
}

StepFloor count_step(const nn::Graph& graph, std::int64_t batch, std::int64_t classes, int value_bytes) {
  const auto& nodes = graph.nodes();
  std::vector<int> readers(nodes.size(), 0);
  std::vector<bool> adds(nodes.size(), false);  // its pass does the addition and reads the residual
  for (const nn::Node& node : nodes) {
    for (const int input : node.inputs) ++readers[static_cast<std::size_t>(input)];
    if (node.kind != nn::NodeKind::kAdd) continue;
    const auto norm = std::find_if(node.inputs.begin(), node.inputs.end(), [&](int i) {
      return nodes[static_cast<std::size_t>(i)].kind == nn::NodeKind::kBatchNorm;
    });
    if (norm != node.inputs.end()) adds[static_cast<std::size_t>(*norm)] = true;
  }
  const auto n = static_cast<double>(batch);
  const auto bytes = [&](const nn::Shape& shape) {
    return n * static_cast<double>(shape.elements()) * value_bytes;
  };
  StepFloor floor;
  for (const nn::Node& node : nodes) {
    const auto input = static_cast<std::size_t>(node.inputs.empty() ? 0 : node.inputs[0]);
    const nn::Shape& shape = node.shape;
    switch (node.kind) {
      case nn::NodeKind::kInput: {
        const int channels = value_bytes == 2 ? (shape.channels + 7) / 8 * 8 : shape.channels;
        floor.elementwise_bytes += n * shape.height * shape.width * (3 + channels * value_bytes);
        break;
      }
      case nn::NodeKind::kConv: {
        const double one = 2 * n * static_cast<double>(shape.elements()) * node.kernel * node.kernel *
                           nodes[input].shape.channels;
        // Nobody asks for the gradient of the pictures.
        floor.product_flops += (nodes[input].kind == nn::NodeKind::kInput ? 2 : 3) * one;
        break;
      }
      case nn::NodeKind::kFullyConnected: {
        const double size = static_cast<double>(nodes[input].shape.elements());
        floor.product_flops += 3 * 2 * n * size * shape.channels;
        floor.elementwise_bytes += 2 * 2 * bytes(nodes[input].shape);  // dropout and flatten, there and back
        break;
      }
      case nn::NodeKind::kBatchNorm: {
        // Statistics come with the input where a pass of ours wrote it; a convolution leaves none.
        const nn::NodeKind from = nodes[input].kind;
        const bool emitted = from != nn::NodeKind::kConv && from != nn::NodeKind::kFullyConnected;
        const bool residual = adds[static_cast<std::size_t>(&node - nodes.data())];
        const bool joins = readers[input] > 1;  // adds the gradient of the input's other reader
        floor.elementwise_bytes += ((emitted ? 2 : 3) + residual + 5 + joins) * bytes(shape);
        break;
      }
      case nn::NodeKind::kPRelu:
      case nn::NodeKind::kAdd:
      case nn::NodeKind::kDropout:
        break;  // part of a pass that is counted
    }
  }
  double weights = 0;
  for (const nn::TensorSpec& tensor : graph.tensors()) {
    if (tensor.kind == nn::TensorKind::kWeight) weights += static_cast<double>(tensor.elements());
  }
  // w, velocity and gradient read, w and velocity written, the 16-bit copy; once more the gradient, to look for NaN.
  floor.elementwise_bytes += weights * (20 + (value_bytes == 2 ? 2 : 0) + 4);
  const std::int64_t width = nodes[static_cast<std::size_t>(graph.output())].shape.channels;
  floor.head_flops = step_flops(batch, width, classes, false);
  floor.head_bytes = step_bytes(batch, width, classes, value_bytes, true, false);
  return floor;
}

}  // namespace qcface::bench
