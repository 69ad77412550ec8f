#include "harness/export/weights.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/model/class_rows.h"
#include "harness/model/model.h"
#include "harness/model/tensor_file.h"
#include "nn/optimiser.h"

namespace qcface::exports {
namespace {

constexpr std::int64_t kBlock = 1 << 20;  // values

std::int64_t counter_of(const TensorSource& file, const std::string& name) {
  const TensorView* const view = file.find("backbone." + name);
  if (view == nullptr || view->dtype != Dtype::kI64 || view->elements() != 1) return 0;
  std::int64_t value = 0;
  std::copy_n(view->data, sizeof value, reinterpret_cast<std::byte*>(&value));
  return value;
}

void add_backbone(Weights& weights, const WeightChoice& choice) {
  const std::string prefix = choice.bare ? "" : "backbone.";
  const auto views = model::backbone_views(weights.file.tensors, weights.graph.tensors());
  const auto shift = static_cast<float>(weights.file.bn_eps - weights.bn_eps);
  constexpr std::string_view kVariance = "running_var";
  for (std::size_t i = 0; i < views.size(); ++i) {
    const std::string& name = weights.graph.tensors()[i].name;
    const bool variance = name.ends_with(kVariance);
    weights.tensors.push_back({prefix + name, views[i]->shape, views[i], 0, variance ? shift : 0, {}});
    if (!variance || !choice.counters) continue;
    const std::string counter = name.substr(0, name.size() - kVariance.size()) + "num_batches_tracked";
    weights.tensors.push_back(
        {prefix + counter, {}, nullptr, counter_of(weights.file.tensors, counter), 0, {}});
  }
}

void add_head(Weights& weights) {
  const TensorSource& file = weights.file.tensors;
  const TensorView* const whole = file.find("head.weight");
  const std::int64_t width = weights.embed_dim;
  require(whole == nullptr || model::classes_of(*whole, width) > 0,
          "{}: tensor head.weight has shape [{}], expected [D, K] with D = {}; --no-head leaves it out",
          file.path(), whole == nullptr ? "" : fmt::format("{}", fmt::join(whole->shape, ", ")), width);
  // One tensor, or the parts of a checkpoint that several processes wrote.
  auto rows = model::ClassRows::find(file, "head.weight", width, weights.file.classes_are_rows);
  if (!rows) return;
  const std::vector<std::int64_t> published{width, rows->classes()};
  const bool as_it_is = whole != nullptr && !weights.file.classes_are_rows && whole->shape == published;
  if (as_it_is) rows.reset();
  weights.tensors.push_back({"head.weight", published, as_it_is ? whole : nullptr, 0, 0, std::move(rows)});
  if (const TensorView* const t = file.find("head.t"); t != nullptr && t->elements() == 1)
    weights.tensors.push_back({"head.t", {1}, t, 0, 0, {}});
}

}  // namespace

std::uint64_t ExportTensor::bytes() const {
  std::uint64_t count = is_scalar() ? sizeof(std::int64_t) : sizeof(float);
  for (const std::int64_t extent : shape) count *= static_cast<std::uint64_t>(extent);
  return count;
}

Weights collect_weights(const model::ModelFile& file, const WeightChoice& choice) {
  const auto [backbone, embed_dim] = model::backbone_of(file.tensors);
  Weights weights{
      file,
      backbone,
      embed_dim,
      backbone.build({.embed_dim = embed_dim, .dropout = 0, .bn_eps = static_cast<float>(file.bn_eps)}),
      choice.bn_eps > 0 ? choice.bn_eps : file.bn_eps,
      {}};
  add_backbone(weights, choice);
  if (choice.head && !choice.bare) add_head(weights);
  return weights;
}

void stream(const Weights& weights, const ExportTensor& tensor,
            const std::function<void(std::span<const std::byte>)>& take) {
  if (tensor.is_scalar()) return take(std::as_bytes(std::span(&tensor.scalar, 1)));
  const auto give = [&](std::span<float> values) {
    stop_if_interrupted();
    require(nn::all_finite(values),
            "{}: tensor {} holds NaN or infinity: nothing was written; take another checkpoint",
            weights.file.tensors.path(), tensor.from != nullptr ? tensor.from->name : tensor.name);
    if (tensor.shift != 0) {
      for (float& value : values) value += tensor.shift;
    }
    take(std::as_bytes(values));
  };
  if (tensor.from != nullptr) {
    std::vector<float> block;
    const TensorView& view = *tensor.from;
    const std::int64_t count = view.elements();
    for (std::int64_t first = 0; first < count; first += kBlock) {
      block.resize(static_cast<std::size_t>(std::min(kBlock, count - first)));
      view.to_float(first, block);
      give(block);
    }
    return;
  }
  tensor.rows->stream_columns(give);
}

void require_finite(const Weights& weights) {
  for (const ExportTensor& tensor : weights.tensors) stream(weights, tensor, [](auto) {});
}

}  // namespace qcface::exports
