// The tensors that an export writes, in the order of the published module, as views of the file they come from: converted
// to float a block at a time, so that memory does not grow with the network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensors/source.h"
#include "harness/model/class_rows.h"
#include "harness/model/family.h"
#include "nn/backbones/table.h"
#include "nn/graph.h"

namespace qcface::exports {

/// A tensor of f32, or an int64 scalar.
struct ExportTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  const TensorView* from = nullptr;  // null: the scalar, or rows
  std::int64_t scalar = 0;
  float shift = 0;                       // added to every value
  std::optional<model::ClassRows> rows;  // class weights [D, K] that lie as [K, D], or in parts of that
  bool is_scalar() const { return from == nullptr && !rows; }
  std::uint64_t bytes() const;
};

/// What a file of tensors is exported as.
struct Weights {
  const model::ModelFile& file;
  const nn::Backbone& backbone;
  int embed_dim;
  nn::Graph graph;  // without dropout
  double bn_eps;    // of `tensors`
  std::vector<ExportTensor> tensors;
};

struct WeightChoice {
  bool head = true;      // class weights, and t of the curricular heads
  bool bare = false;     // InsightFace's names: nothing in front, no head
  bool counters = true;  // num_batches_tracked
  double bn_eps = 0;     // running variances are shifted so that the network needs this one; 0: as they are
};
/// Throws Error naming file and tensor: no backbone that is known, something missing or of another shape.
Weights collect_weights(const model::ModelFile& file, const WeightChoice& choice);

/// Hands out the bytes of a tensor, a block after the other. Throws Error naming file and tensor for a value that is NaN or
/// infinite, and when a signal asks to stop.
void stream(const Weights& weights, const ExportTensor& tensor,
            const std::function<void(std::span<const std::byte>)>& take);
/// Reads everything once for that.
void require_finite(const Weights& weights);

}  // namespace qcface::exports
