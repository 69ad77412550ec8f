// The tensors of a model in a safetensors file: names and shapes of the published FaceModel, so that files go
// both ways.
//   backbone.<name>                     as iresnet.md, convolutions [out, in, kh, kw]
//   backbone.<bn>.num_batches_tracked   int64, training steps so far
//   head.weight [D, K]                  class weights, a class a column (in memory: a row)
//   head.t [1]                          state of the curricular heads
//   head.length_stats [2]               state of adaface: mean and deviation of lengths
//   momentum.<name>                     the optimiser's velocity, same shapes
// Reading also takes names without "backbone." and a leading "module.".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensors/safetensors.h"
#include "core/tensors/source.h"
#include "nn/parameters.h"

namespace qcface::model {

/// The tensor called `name` in any accepted spelling, or nullptr.
const TensorView* find_backbone_tensor(const TensorSource& file, const std::string& name);

/// Copies every backbone tensor in. Throws Error listing what is missing or of another shape. role kMomentum reads momentum.<name> and only weights.
void read_backbone(const TensorSource& file, nn::ParameterStore& parameters,
                   nn::TensorRole role = nn::TensorRole::kValue);

/// Names in the file that are neither backbone, head, momentum nor batch counters.
std::vector<std::string> unexpected_tensors(const TensorSource& file, const nn::ParameterStore& parameters);

/// Classes K of a head.weight [D, K] or [K, D] for embeddings of D = `width` values; 0: it has no such extent.
std::int64_t classes_of(const TensorView& head_weight, std::int64_t width);

/// head.weight [D, K] into rows [K, D]. A file of [K, D] is taken too where the shapes tell them apart.
void read_class_weights(const TensorSource& file, const std::string& name, std::int64_t classes,
                        std::int64_t width, std::span<float> rows);

/// Collects tensors and the memory behind them for write_safetensors.
class TensorWriter {
 public:
  void add_backbone(const nn::ParameterStore& parameters, nn::TensorRole role, const std::string& prefix);
  void add_batch_counters(const nn::ParameterStore& parameters, std::int64_t steps,
                          const std::string& prefix);
  /// rows [K, D] stored as [D, K].
  void add_class_weights(const std::string& name, std::span<const float> rows, std::int64_t classes,
                         std::int64_t width);
  void add_vector(const std::string& name, std::span<const float> values);
  std::span<const SafeTensorOut> tensors() const { return tensors_; }

 private:
  float* room(std::size_t count);
  std::vector<SafeTensorOut> tensors_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::unique_ptr<std::int64_t>> integers_;
};

}  // namespace qcface::model
