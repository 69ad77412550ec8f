#include "harness/model/tensor_file.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "core/error.h"
#include "harness/model/class_rows.h"

namespace qcface::model {
namespace {

constexpr const char* kCounter = ".num_batches_tracked";

constexpr const char* kSlot = "slot0.";
constexpr const char* kBackbone = "backbone.";

std::string prefix_of(nn::TensorRole role) { return role == nn::TensorRole::kSlot ? kSlot : ""; }

}  // namespace

std::vector<const TensorView*> backbone_views(const TensorSource& file,
                                              std::span<const nn::TensorSpec> backbone, nn::TensorRole role) {
  std::vector<const TensorView*> views;
  std::string missing;
  int missing_count = 0;
  for (const nn::TensorSpec& spec : backbone) {
    views.push_back(nullptr);
    if (role == nn::TensorRole::kSlot && spec.kind == nn::TensorKind::kBuffer) continue;
    const TensorView* const view = file.find(prefix_of(role) + kBackbone + spec.name);
    if (view == nullptr) {
      if (++missing_count <= 3) missing += (missing.empty() ? "" : ", ") + spec.name;
      continue;
    }
    require(view->shape == spec.shape,
            "{}: tensor {} has shape {}, the network needs {}; check --arch and --embed_dims", file.path(),
            view->name, shape_text(view->shape), shape_text(spec.shape));
    views.back() = view;
  }
  require(
      missing_count == 0,
      "{}: {} of {} backbone tensors are missing, for example {} (qcface inspect lists them); is it a file "
      "of this architecture?",
      file.path(), missing_count, backbone.size(), missing);
  return views;
}

void read_backbone(const TensorSource& file, nn::ParameterStore& parameters, nn::TensorRole role) {
  const std::vector<const TensorView*> views = backbone_views(file, parameters.tensors(), role);
  for (std::size_t i = 0; i < views.size(); ++i) {
    if (views[i] != nullptr) parameters.copy_in(i, views[i]->to_float(), role);
  }
}

BackboneNames compare_names(const TensorSource& file, std::span<const nn::TensorSpec> backbone) {
  BackboneNames names;
  std::unordered_set<std::string> expected;
  for (const nn::TensorSpec& spec : backbone) {
    expected.insert(spec.name);
    if (file.find(kBackbone + spec.name) == nullptr) names.missing.push_back(spec.name);
  }
  for (const TensorView& view : file.tensors()) {
    const std::string_view name = view.name;
    if (name.starts_with(kSlot) || name.starts_with("head.") || name.ends_with(kCounter)) continue;
    const bool ours = name.starts_with(kBackbone);
    if (!ours || !expected.contains(view.name.substr(std::string_view(kBackbone).size())))
      names.unexpected.push_back(view.name);
  }
  return names;
}

void read_class_weights(const TensorSource& file, nn::Head& head, nn::TensorRole role, bool rows_first) {
  const std::int64_t width = head.width();
  const std::string name = prefix_of(role) + "head.weight";
  const auto stored = ClassRows::find(file, name, width, rows_first);
  if (!stored) file.at(name);  // which says what is missing
  require(stored->classes() == head.classes(),
          "{}: {} has {} classes, expected {}: the file was trained on another set of identities",
          file.path(), name, stored->classes(), head.classes());
  const Share own = head.own_classes();
  std::vector<float> rows;
  for (std::int64_t first = 0; first < own.count; first += kClassRowsAtOnce) {
    const std::int64_t count = std::min(kClassRowsAtOnce, own.count - first);
    rows.resize(static_cast<std::size_t>(count * width));
    stored->copy(own.first + first, rows);
    head.copy_in(role, first, rows);
  }
}

float* TensorWriter::room(std::size_t count) { return floats_.emplace_back(count).data(); }

void TensorWriter::add_backbone(const nn::ParameterStore& parameters, nn::TensorRole role) {
  for (std::size_t i = 0; i < parameters.tensors().size(); ++i) {
    const nn::TensorSpec& spec = parameters.tensors()[i];
    if (role != nn::TensorRole::kValue && spec.kind == nn::TensorKind::kBuffer) continue;
    float* values = room(spec.elements());
    parameters.copy_out(i, {values, spec.elements()}, role);
    tensors_.push_back({prefix_of(role) + "backbone." + spec.name, Dtype::kF32, spec.shape, values});
  }
}

void TensorWriter::add_batch_counters(const nn::ParameterStore& parameters, std::int64_t steps) {
  constexpr std::string_view kVariance = ".running_var";
  for (const nn::TensorSpec& spec : parameters.tensors()) {
    if (!spec.name.ends_with(kVariance)) continue;
    const std::int64_t* value = integers_.emplace_back(std::make_unique<std::int64_t>(steps)).get();
    const std::string layer = spec.name.substr(0, spec.name.size() - kVariance.size());
    tensors_.push_back({"backbone." + layer + kCounter, Dtype::kI64, {}, value});
  }
}

void TensorWriter::add_class_weights(const nn::Head& head, nn::TensorRole role) {
  const std::int64_t classes = head.classes(), width = head.width();
  float* const columns = room(static_cast<std::size_t>(classes * width));
  std::vector<float> rows;
  for (std::int64_t first = 0; first < classes; first += kClassRowsAtOnce) {
    const std::int64_t count = std::min(kClassRowsAtOnce, classes - first);
    rows.resize(static_cast<std::size_t>(count * width));
    head.copy_out(role, first, rows);
    transpose(rows.data(), count, width, width, columns + first, classes);
  }
  tensors_.push_back({prefix_of(role) + "head.weight", Dtype::kF32, {width, classes}, columns});
}

void TensorWriter::add_class_part(const nn::Head& head, nn::TensorRole role) {
  const Share own = head.own_classes();
  const auto stream = [&head, role, own](const SafeTensorOut::Take& take) {
    std::vector<float> rows;
    for (std::int64_t first = 0; first < own.count; first += kClassRowsAtOnce) {
      rows.resize(static_cast<std::size_t>(std::min(kClassRowsAtOnce, own.count - first) * head.width()));
      head.copy_out(role, first, rows);
      take(std::as_bytes(std::span(rows)));
    }
  };
  tensors_.push_back({fmt::format("{}{}", class_part_prefix(prefix_of(role) + "head.weight"), own.first),
                      Dtype::kF32,
                      {own.count, head.width()},
                      nullptr,
                      stream});
}

void TensorWriter::add_vector(const std::string& name, std::span<const float> values) {
  float* stored = room(values.size());
  std::copy(values.begin(), values.end(), stored);
  tensors_.push_back({name, Dtype::kF32, {static_cast<std::int64_t>(values.size())}, stored});
}

}  // namespace qcface::model
