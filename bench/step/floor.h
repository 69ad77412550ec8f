// The least that a training step must compute and move, counted from the graph; what a measured step is a share of.
#pragma once

#include <cstdint>

#include "nn/graph.h"

namespace qcface::bench {

struct StepFloor {
  double product_flops = 0;      // convolutions and the fully connected layer: forward and both gradients
  double elementwise_bytes = 0;  // as bench/traffic/elementwise_traffic.py counts what the fused kernels move
  double head_flops = 0, head_bytes = 0;

  struct Rates {
    double gflops = 0, gbytes = 0;
  };
  // Products and element-wise passes take turns on the stream, so their times add up. What the convolutions move is not
  // counted, and neither is that no kernel reaches a peak: a share of 1 is out of reach.
  double products_ms(const Rates& r) const { return r.gflops > 0 ? product_flops / r.gflops * 1e-6 : 0; }
  double elementwise_ms(const Rates& r) const {
    return r.gbytes > 0 ? elementwise_bytes / r.gbytes * 1e-6 : 0;
  }
  double head_ms(const Rates& r) const;  // arithmetic or memory, whichever takes longer
  double ms(const Rates& r) const { return products_ms(r) + elementwise_ms(r) + head_ms(r); }
};

/// value_bytes: of an activation, 2 or 4; 16-bit images are padded to 8 channels, and 16-bit weights are copies.
StepFloor count_step(const nn::Graph& graph, std::int64_t batch, std::int64_t classes, int value_bytes);

}  // namespace qcface::bench
