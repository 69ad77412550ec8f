// AdaFace's network, face.evoLVe's "IR", is an IResNet but for two things: the first block of layer 1 takes its input at
// every second pixel as it is (no convolution where the width stays), and the last batch norm has no weight and bias. A
// 1x1 convolution with the identity matrix, a batch norm that changes nothing, and ones and zeros say the same.
//   input_layer.0, 1, 2                conv1, bn1, prelu
//   body.<n>.res_layer.0 ... 5         bn1, conv1, bn2, prelu, conv2, bn3 of block n, counted through all layers
//   body.<n>.shortcut_layer.0, 1       downsample.0, downsample.1 where the width changes: a layer begins
//   output_layer.0, 3, 4               bn2, fc, features
//   head.kernel [D, K]                 head.weight;  head.batch_mean, head.batch_std: head.length_stats
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/tensors/source.h"

namespace qcface::model {

/// Memory of tensors that are in no file. A deque: its elements stay where they are.
using MadeTensors = std::deque<std::vector<float>>;

/// What stands before AdaFace's names in this file ("model."); nothing: it has none of them.
std::optional<std::string> adaface_prefix(const TensorSource& file);

struct TranslatedTensors {
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> refused;  // TensorSource::refused()
};
/// All tensors of the file, the network's under the names of iresnet.md with "backbone." in front. `bn_eps`: of the network
/// that will be built. Throws Error naming file and tensor for blocks of another kind (SE, bottleneck).
TranslatedTensors translate_adaface(const TensorSource& file, const std::string& prefix, float bn_eps,
                                    MadeTensors& made);

}  // namespace qcface::model
