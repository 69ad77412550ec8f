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

/// head.weight, or slot0.head.weight, as class_rows.h finds it, into the rows of this rank's classes. head.loaded() is the caller's.
void read_class_weights(const TensorSource& file, nn::Head& head,
                        nn::TensorRole role = nn::TensorRole::kValue, bool rows_first = false);

/// Collects tensors and the memory behind them for write_safetensors.
class TensorWriter {
 public:
  void add_backbone(const nn::ParameterStore& parameters, nn::TensorRole role);
  void add_batch_counters(const nn::ParameterStore& parameters, std::int64_t steps);
  /// Rows [K, D] stored as [D, K]; of a head that has all classes.
  void add_class_weights(const nn::Head& head, nn::TensorRole role);
  /// The classes of this rank, as a part of class_rows.h, of a head that is borrowed: its rows are copied as they are written, so
  /// that a rank needs no room for its share a second time.
  void add_class_part(const nn::Head& head, nn::TensorRole role);
  void add_vector(const std::string& name, std::span<const float> values);
  std::span<const SafeTensorOut> tensors() const { return tensors_; }

 private:
  float* room(std::size_t count);
  std::vector<SafeTensorOut> tensors_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::unique_ptr<std::int64_t>> integers_;
};

}  // namespace qcface::model
