// The gradient of a network in pieces that backward completes one after the other, so that a piece can be on its way to the
// other ranks while the next is computed.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/lower.h"
#include "nn/parameters.h"

namespace qcface::nn {

/// Elements [first, first + count) of ParameterStore::gradients().
struct GradientBucket {
  std::size_t first = 0, count = 0;
  int layer = 0;  // the bucket is written when backward has run this layer, and all behind it
};

/// Cuts the gradients at tensors' borders, from the back: a bucket ends where it has `bytes` or more, so that only the front one
/// is smaller, and a tensor may make it larger. Together they are all of gradients(), padding included, without overlap. In the
/// order in which backward completes them, those of one layer from the back. Depends on the graph, the storage of its tensors
/// and `bytes` alone.
std::vector<GradientBucket> make_gradient_buckets(const LoweredGraph& graph, const ParameterStore& parameters,
                                                  std::size_t bytes);

}  // namespace qcface::nn
