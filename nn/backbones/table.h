// The backbones that can be chosen by name: what builds them, and how the tensors of a file tell which they are. A new one
// is a builder beside iresnet.h and a line in table.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/graph.h"

namespace qcface::nn {

/// What every backbone is built with.
struct BackboneSettings {
  int embed_dim = 512;
  int image_size = 112;  // of the square input; IResNets: a multiple of 16
  double dropout = 0.4;  // 0: none
  float bn_eps = 2e-5f;  // of every batch norm; not in checkpoints of the published programs
};

/// Shape of the tensor of this name; nullptr: there is none.
using ShapeOf = std::function<const std::vector<std::int64_t>*(const std::string& name)>;

struct Backbone {
  const char* name;       // "ir18"
  const char* also;       // another name that is taken for it, as the published code's "iresnet18"
  const char* embedding;  // tensor with one value for each of the embedding: "fc.bias"
  Graph (*graph_of)(std::string_view name, const BackboneSettings& settings);
  bool (*has_tensors_of)(std::string_view name, const ShapeOf& shape_of);

  /// Throws Error for settings that do not fit.
  Graph build(const BackboneSettings& settings) const { return graph_of(name, settings); }
  /// Whether tensors have the names and shapes of this one, whatever their embedding width.
  bool matches(const ShapeOf& shape_of) const { return has_tensors_of(name, shape_of); }
};

/// Throws Error listing the choices for an unknown name.
const Backbone& backbone(std::string_view name);
/// The backbone that tensors belong to; nullptr: none that is known.
const Backbone* matching_backbone(const ShapeOf& shape_of);
std::vector<std::string> backbone_names();

}  // namespace qcface::nn
