#include "nn/cuda/statistics_source.h"

#include <algorithm>

namespace qcface::nn::cuda {

bool wants_batch_statistics(const Layer& layer, Mode mode) {
  return mode == Mode::kTrain && layer.kind == LayerKind::kPointwise && layer.batch_norm;
}

Statistics statistics_left_by(const CudaBackend& backend, const LoweredGraph& graph, const Layer& writer,
                              int n, Mode mode) {
  const bool wanted = std::any_of(graph.layers.begin(), graph.layers.end(), [&](const Layer& reader) {
    return reader.x == writer.y && wants_batch_statistics(reader, mode);
  });
  if (!wanted) return Statistics::kNone;
  if (writer.kind == LayerKind::kPointwise) return Statistics::kPartials;
  if (writer.kind != LayerKind::kConv) return Statistics::kNone;
  const ConvolutionShape shape = convolution_shape(graph, writer, backend.type(), n);
  return backend.convolutions().find(shape)->gives_sums() ? Statistics::kSums : Statistics::kNone;
}

Statistics statistics_found_by(const CudaBackend& backend, const LoweredGraph& graph, const Layer& reader,
                               int n, Mode mode) {
  for (const Layer& writer : graph.layers)
    if (writer.y == reader.x) return statistics_left_by(backend, graph, writer, n, mode);
  return Statistics::kNone;
}

}  // namespace qcface::nn::cuda
