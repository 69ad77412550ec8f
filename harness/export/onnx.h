// A backbone as an ONNX file (https://onnx.ai/onnx/repo-docs/IR.html), opset 13. The handful of messages is written by hand:
// libonnx with protobuf would be two large dependencies of the product for some 100 lines, and builds a whole model in memory
// and once more as text before the first byte is written, where this streams the weights.
//   images [N, 3, S, S] -> embeddings [N, D], and with `magnitude` magnitudes [N], the length of each embedding
// Batch norm stays a node of its own; dropout, which does nothing here, is left out.
#pragma once

#include <filesystem>

#include "harness/export/weights.h"

namespace qcface::exports {

struct OnnxOptions {
  bool normalise =
      false;  // images are pixels 0..255 in RGB order; else they are prepared as the metadata says
  bool magnitude = false;
};

/// Writes atomically. The metadata (metadata_props) says what prepares a picture: mean, std, channel_order, input, and family,
/// arch, bn_eps. Throws Error naming the file: 2 GiB and more, which protobuf does not allow; NaN or infinity.
void write_onnx(const std::filesystem::path& path, const Weights& weights, const OnnxOptions& options);

}  // namespace qcface::exports
