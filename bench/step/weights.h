// Inputs and initial weights by formula, which peer_torch.py repeats.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "nn/parameters.h"

namespace qcface::bench {

/// In [-1, 1): a multiplicative hash of (stream, i), exact in float.
inline std::vector<float> formula(std::uint32_t stream, std::size_t count, double offset, double scale) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) * 2654435761u + stream * 40503u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    values[i] = static_cast<float>(offset + scale * (static_cast<double>(h >> 8) * 0x1p-23 - 1));
  }
  return values;
}

inline void set_weights(nn::ParameterStore& store) {
  for (std::size_t i = 0; i < store.tensors().size(); ++i) {
    const nn::TensorSpec& spec = store.tensors()[i];
    double offset = 0, scale = 0.125;  // biases, running means
    if (spec.shape.size() > 1) {
      scale = std::sqrt(3.0 / (static_cast<double>(spec.elements()) / static_cast<double>(spec.shape[0])));
    } else if (spec.name.ends_with("prelu.weight")) {
      offset = 0.25;
    } else if (spec.name.ends_with("weight") || spec.name.ends_with("running_var")) {
      offset = 1;
    }
    store.copy_in(i, formula(100 + static_cast<std::uint32_t>(i), spec.elements(), offset, scale));
  }
}

}  // namespace qcface::bench
