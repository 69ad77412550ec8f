// The tensors of a model in a file, under our names (family.h has the list): into a network and a head, and out of them.
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

/// The file's tensor of each of these, of their shapes; with role kSlot of weights alone, null for buffers. Throws Error listing
/// what is missing, or naming the tensor that is of another shape.
std::vector<const TensorView*> backbone_views(const TensorSource& file,
                                              std::span<const nn::TensorSpec> backbone,
                                              nn::TensorRole role = nn::TensorRole::kValue);

/// Copies every backbone tensor in. Throws Error listing what is missing or of another shape. role kSlot reads slot0.<name> and only weights.
void read_backbone(const TensorSource& file, nn::ParameterStore& parameters,
                   nn::TensorRole role = nn::TensorRole::kValue);

struct BackboneNames {
  std::vector<std::string> missing;     // names of iresnet.md
  std::vector<std::string> unexpected;  // neither backbone, head, slot nor batch counter; as in the file
};
/// What a file lacks of these tensors, and what it holds beside them.
BackboneNames compare_names(const TensorSource& file, std::span<const nn::TensorSpec> backbone);

/// Classes K of a head.weight [D, K] or [K, D] for embeddings of D = `width` values; 0: it has no such extent.
std::int64_t classes_of(const TensorView& head_weight, std::int64_t width);

/// Rows of class weights as a file holds them, [D, K] or [K, D], converted to float once.
class ClassRows {
 public:
  /// Throws Error naming the file where the tensor is not [D, K] or [K, D]. classes: 0 for as many as it has.
  /// rows_first: it is [K, D], which the shapes do not say where K = D.
  ClassRows(const TensorSource& file, const TensorView& tensor, std::int64_t classes, std::int64_t width,
            bool rows_first = false);
  std::int64_t classes() const { return classes_; }
  /// Rows first, first + 1, ... as many as `rows` has room for.
  void copy(std::int64_t first, std::span<float> rows) const;

 private:
  std::vector<float> values_;
  std::int64_t classes_, width_;
  bool columns_;  // [D, K]
};

/// head.weight [D, K], or slot0.head.weight, into the head's rows [K, D]. A file of [K, D] is taken too where the shapes
/// tell them apart. head.loaded() is the caller's.
void read_class_weights(const TensorSource& file, nn::Head& head,
                        nn::TensorRole role = nn::TensorRole::kValue, bool rows_first = false);

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
