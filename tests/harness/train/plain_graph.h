// A network without batch norm: every picture's embedding is its own, whatever else is in the batch.
#pragma once

#include "nn/graph.h"

namespace qcface::test {

inline nn::Graph plain_graph(int side, int width, double dropout) {
  nn::Graph graph;
  int x = graph.input({3, side, side});
  x = graph.prelu("prelu1", graph.conv("conv1", x, 8, 3, 2, 1));
  x = graph.prelu("prelu2", graph.conv("conv2", x, 16, 3, 2, 1));
  graph.set_output(graph.fully_connected("fc", graph.dropout("dropout", x, dropout), width));
  return graph;
}

}  // namespace qcface::test
