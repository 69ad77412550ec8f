// A graph interpreted in double with plain loops: the reference for layers. Gradients come from central differences of
// it, so that it shares neither code nor formulas with the backward passes.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "nn/graph.h"

namespace qcface::test {

struct ReferenceRun {
  const nn::Graph& graph;
  int n = 1;
  bool batch_statistics = true;
  std::vector<std::uint8_t> keep;            // [N, C] for the one dropout node
  std::vector<std::vector<double>> tensors;  // canonical, updated running statistics with batch_statistics
  std::function<double(double)> round;       // of every node's output; empty: none

  std::vector<double> forward(const std::vector<double>& images) {
    std::vector<std::vector<double>> values;
    for (const nn::Node& node : graph.nodes()) {
      values.push_back(node.kind == nn::NodeKind::kInput ? images : run(node, values));
      if (round)
        for (double& v : values.back()) v = round(v);
    }
    return values[static_cast<std::size_t>(graph.output())];
  }

 private:
  const std::vector<double>& parameter(const nn::Node& node, std::size_t i) const {
    return tensors[static_cast<std::size_t>(node.parameters[i])];
  }
  std::vector<double>& parameter(const nn::Node& node, std::size_t i) {
    return tensors[static_cast<std::size_t>(node.parameters[i])];
  }

  std::vector<double> run(const nn::Node& node, const std::vector<std::vector<double>>& values) {
    const std::vector<double>& x = values[static_cast<std::size_t>(node.inputs[0])];
    const nn::Shape in = graph.nodes()[static_cast<std::size_t>(node.inputs[0])].shape, out = node.shape;
    const auto C = static_cast<std::size_t>(out.channels),
               plane = static_cast<std::size_t>(out.height * out.width);
    std::vector<double> y(static_cast<std::size_t>(n) * out.elements());
    switch (node.kind) {
      case nn::NodeKind::kInput:
        break;
      case nn::NodeKind::kConv:
        convolve(node, in, x, y);
        break;
      case nn::NodeKind::kBatchNorm:
        normalise(node, C, plane, x, y);
        break;
      case nn::NodeKind::kPRelu:
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = x[i] > 0 ? x[i] : x[i] * parameter(node, 0)[i / plane % C];
        break;
      case nn::NodeKind::kAdd:
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = x[i] + values[static_cast<std::size_t>(node.inputs[1])][i];
        break;
      case nn::NodeKind::kDropout:
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = !batch_statistics ? x[i] : keep[i / plane] ? x[i] / (1 - node.probability) : 0;
        break;
      case nn::NodeKind::kFullyConnected:
        for (std::size_t i = 0; i < y.size(); ++i) {
          const std::size_t row = i / C, o = i % C, k = in.elements();
          y[i] = parameter(node, 1)[o];
          for (std::size_t j = 0; j < k; ++j) y[i] += parameter(node, 0)[o * k + j] * x[row * k + j];
        }
        break;
    }
    return y;
  }

  void convolve(const nn::Node& node, const nn::Shape& in, const std::vector<double>& x,
                std::vector<double>& y) const {
    const std::vector<double>& w = parameter(node, 0);
    std::size_t at = 0;
    for (int s = 0; s < n; ++s) {
      for (int o = 0; o < node.shape.channels; ++o) {
        for (int h = 0; h < node.shape.height; ++h) {
          for (int v = 0; v < node.shape.width; ++v, ++at) {
            double sum = 0;
            for (int c = 0; c < in.channels; ++c) {
              for (int a = 0; a < node.kernel; ++a) {
                for (int b = 0; b < node.kernel; ++b) {
                  const int row = h * node.stride + a - node.padding,
                            column = v * node.stride + b - node.padding;
                  if (row < 0 || row >= in.height || column < 0 || column >= in.width) continue;
                  sum += x[static_cast<std::size_t>(((s * in.channels + c) * in.height + row) * in.width +
                                                    column)] *
                         w[static_cast<std::size_t>(((o * in.channels + c) * node.kernel + a) * node.kernel +
                                                    b)];
                }
              }
            }
            y[at] = sum;
          }
        }
      }
    }
  }

  void normalise(const nn::Node& node, std::size_t C, std::size_t plane, const std::vector<double>& x,
                 std::vector<double>& y) {
    const double count = static_cast<double>(n) * static_cast<double>(plane),
                 momentum = static_cast<double>(node.momentum);
    for (std::size_t c = 0; c < C; ++c) {
      double mean = parameter(node, 2)[c], variance = parameter(node, 3)[c];
      const auto each = [&](const auto& body) {
        for (std::size_t s = 0; s < static_cast<std::size_t>(n); ++s) {
          for (std::size_t i = 0; i < plane; ++i) body((s * C + c) * plane + i);
        }
      };
      if (batch_statistics) {
        mean = variance = 0;
        each([&](std::size_t i) { mean += x[i] / count; });
        each([&](std::size_t i) { variance += (x[i] - mean) * (x[i] - mean) / count; });
        parameter(node, 2)[c] += momentum * (mean - parameter(node, 2)[c]);
        parameter(node, 3)[c] += momentum * (variance * count / (count - 1) - parameter(node, 3)[c]);
      }
      const double scale = parameter(node, 0)[c] / std::sqrt(variance + static_cast<double>(node.eps));
      each([&](std::size_t i) { y[i] = (x[i] - mean) * scale + parameter(node, 1)[c]; });
    }
  }
};

}  // namespace qcface::test
