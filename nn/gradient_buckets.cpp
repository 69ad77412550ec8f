#include "nn/gradient_buckets.h"

#include <algorithm>

#include "core/error.h"

namespace qcface::nn {
namespace {

/// The layer whose backward writes each tensor last, which is the first of those that have it; the last layer for a tensor that
/// none has.
std::vector<int> last_writers(const LoweredGraph& graph, std::size_t tensors) {
  const int count = static_cast<int>(graph.layers.size());
  std::vector<int> writers(tensors, std::max(count - 1, 0));
  for (int i = count - 1; i >= 0; --i) {
    const Layer& layer = graph.layers[static_cast<std::size_t>(i)];
    for (const int tensor : {layer.weight, layer.bias, layer.slope}) {
      if (tensor >= 0) writers[static_cast<std::size_t>(tensor)] = i;
    }
  }
  return writers;
}

}  // namespace

std::vector<GradientBucket> make_gradient_buckets(const LoweredGraph& graph, const ParameterStore& parameters,
                                                  std::size_t bytes) {
  require(bytes > 0, "gradients: buckets of {} bytes, expected 1 or more", bytes);
  const std::vector<TensorSpec>& tensors = parameters.tensors();
  const std::vector<int> writers = last_writers(graph, tensors.size());
  const float* const start = parameters.gradients().data();
  std::vector<GradientBucket> buckets;
  std::size_t end = parameters.gradients().size();  // of the bucket being filled
  int layer = static_cast<int>(graph.layers.size()) - 1;
  for (std::size_t i = tensors.size(); i-- > 0;) {
    if (tensors[i].kind != TensorKind::kWeight) continue;
    layer = std::min(layer, writers[i]);
    const auto first = static_cast<std::size_t>(parameters.storage(i, TensorRole::kGradient).data() - start);
    if (first > 0 && (end - first) * sizeof(float) < bytes) continue;
    buckets.push_back({first, end - first, layer});
    end = first;
    layer = static_cast<int>(graph.layers.size()) - 1;
  }
  std::stable_sort(buckets.begin(), buckets.end(),
                   [](const GradientBucket& a, const GradientBucket& b) { return a.layer > b.layer; });
  return buckets;
}

}  // namespace qcface::nn
