// The tensors of a model in a safetensors file: names and shapes of the published FaceModel, so that files go
// both ways.
//   backbone.<name>                     as iresnet.md, convolutions [out, in, kh, kw]
//   backbone.<bn>.num_batches_tracked   int64, training steps so far
//   head.weight [D, K]                  class weights, a class a column (in memory: a row)
//   head.t [1]                          state of the curricular heads
//   head.length_stats [2]               state of adaface: mean and deviation of lengths
//   slot0.<name>                        what the optimiser keeps of a weight, same shapes: SGD's velocity
// Reading also takes names without "backbone.", a leading "module.", and "momentum." for "slot0.", as earlier versions
// wrote.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensors/safetensors.h"
#include "core/tensors/source.h"
#include "nn/head/head.h"
#include "nn/parameters.h"

namespace qcface::model {

/// The tensor called `name` in any accepted spelling, or nullptr.
const TensorView* find_backbone_tensor(const TensorSource& file, const std::string& name);

/// Copies every backbone tensor in. Throws Error listing what is missing or of another shape. role kSlot reads slot0.<name> and only weights.
void read_backbone(const TensorSource& file, nn::ParameterStore& parameters,
                   nn::TensorRole role = nn::TensorRole::kValue);

/// Names in the file that are neither backbone, head, momentum nor batch counters.
std::vector<std::string> unexpected_tensors(const TensorSource& file, const nn::ParameterStore& parameters);

/// Classes K of a head.weight [D, K] or [K, D] for embeddings of D = `width` values; 0: it has no such extent.
std::int64_t classes_of(const TensorView& head_weight, std::int64_t width);

/// head.weight [D, K], or slot0.head.weight, into the head's rows [K, D]. A file of [K, D] is taken too where the shapes
/// tell them apart. head.loaded() is the caller's.
void read_class_weights(const TensorSource& file, nn::Head& head,
                        nn::TensorRole role = nn::TensorRole::kValue);

/// Collects tensors and the memory behind them for write_safetensors.
class TensorWriter {
 public:
  void add_backbone(const nn::ParameterStore& parameters, nn::TensorRole role);
  void add_batch_counters(const nn::ParameterStore& parameters, std::int64_t steps);
  /// Rows [K, D] stored as [D, K].
  void add_class_weights(const nn::Head& head, nn::TensorRole role);
  void add_vector(const std::string& name, std::span<const float> values);
  std::span<const SafeTensorOut> tensors() const { return tensors_; }

 private:
  float* room(std::size_t count);
  std::vector<SafeTensorOut> tensors_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::unique_ptr<std::int64_t>> integers_;
};

}  // namespace qcface::model
