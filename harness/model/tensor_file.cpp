#include "harness/model/tensor_file.h"

#include <algorithm>
#include <array>

#include "core/error.h"

namespace qcface::model {
namespace {

constexpr std::array<const char*, 4> kPrefixes{"backbone.", "", "module.backbone.", "module."};
constexpr const char* kCounter = ".num_batches_tracked";

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// [rows, columns] -> [columns, rows], in squares that stay in the cache.
void transpose(const float* in, std::int64_t rows, std::int64_t columns, float* out) {
  constexpr std::int64_t kSquare = 32;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kSquare) {
    for (std::int64_t c0 = 0; c0 < columns; c0 += kSquare) {
      for (std::int64_t r = r0; r < std::min(r0 + kSquare, rows); ++r) {
        for (std::int64_t c = c0; c < std::min(c0 + kSquare, columns); ++c)
          out[c * rows + r] = in[r * columns + c];
      }
    }
  }
}

}  // namespace

const TensorView* find_backbone_tensor(const TensorSource& file, const std::string& name) {
  for (const char* prefix : kPrefixes) {
    if (const TensorView* view = file.find(prefix + name)) return view;
  }
  return nullptr;
}

void read_backbone(const TensorSource& file, nn::ParameterStore& parameters, nn::TensorRole role) {
  const bool momentum = role == nn::TensorRole::kMomentum;
  std::string missing;
  int missing_count = 0;
  for (std::size_t i = 0; i < parameters.tensors().size(); ++i) {
    const nn::TensorSpec& spec = parameters.tensors()[i];
    if (momentum && spec.kind == nn::TensorKind::kBuffer) continue;
    const TensorView* view =
        momentum ? file.find("momentum.backbone." + spec.name) : find_backbone_tensor(file, spec.name);
    if (view == nullptr) {
      if (++missing_count <= 3) missing += (missing.empty() ? "" : ", ") + spec.name;
      continue;
    }
    require(view->shape == spec.shape,
            "{}: tensor {} has shape {}, the network needs {}; check --arch and --embed_dims", file.path(),
            view->name, shape_text(view->shape), shape_text(spec.shape));
    parameters.copy_in(i, view->to_float(), role);
  }
  require(missing_count == 0,
          "{}: {} of {} backbone tensors are missing, for example {}; is it a file of this architecture?",
          file.path(), missing_count, parameters.tensors().size(), missing);
}

std::vector<std::string> unexpected_tensors(const TensorSource& file, const nn::ParameterStore& parameters) {
  std::vector<std::string> names;
  for (const TensorView& view : file.tensors()) {
    std::string name = view.name;
    if (name.starts_with("module.")) name = name.substr(7);
    if (name.starts_with("momentum.") || name.starts_with("head.") || name.ends_with(kCounter)) continue;
    if (name.starts_with("backbone.")) name = name.substr(9);
    if (!parameters.contains(name)) names.push_back(view.name);
  }
  return names;
}

std::int64_t classes_of(const TensorView& head_weight, std::int64_t width) {
  const auto& shape = head_weight.shape;
  if (shape.size() != 2) return 0;
  return shape[0] == width ? shape[1] : shape[1] == width ? shape[0] : 0;
}

void read_class_weights(const TensorSource& file, const std::string& name, std::int64_t classes,
                        std::int64_t width, std::span<float> rows) {
  const TensorView& view = file.at(name);
  const std::vector<std::int64_t> published{width, classes}, ours{classes, width};
  const std::vector<float> values = view.to_float();
  if (view.shape == published) {
    transpose(values.data(), width, classes, rows.data());
  } else if (view.shape == ours) {
    std::copy(values.begin(), values.end(), rows.begin());
  } else {
    fail(
        "{}: tensor {} has shape {}, expected [D, K] = {}: the file was trained on another set of identities "
        "or another embedding width",
        file.path(), name, shape_text(view.shape), shape_text(published));
  }
}

float* TensorWriter::room(std::size_t count) { return floats_.emplace_back(count).data(); }

void TensorWriter::add_backbone(const nn::ParameterStore& parameters, nn::TensorRole role,
                                const std::string& prefix) {
  for (std::size_t i = 0; i < parameters.tensors().size(); ++i) {
    const nn::TensorSpec& spec = parameters.tensors()[i];
    if (role != nn::TensorRole::kValue && spec.kind == nn::TensorKind::kBuffer) continue;
    float* values = room(spec.elements());
    parameters.copy_out(i, {values, spec.elements()}, role);
    tensors_.push_back({prefix + spec.name, Dtype::kF32, spec.shape, values});
  }
}

void TensorWriter::add_batch_counters(const nn::ParameterStore& parameters, std::int64_t steps,
                                      const std::string& prefix) {
  constexpr std::string_view kVariance = ".running_var";
  for (const nn::TensorSpec& spec : parameters.tensors()) {
    if (!spec.name.ends_with(kVariance)) continue;
    const std::int64_t* value = integers_.emplace_back(std::make_unique<std::int64_t>(steps)).get();
    const std::string layer = spec.name.substr(0, spec.name.size() - kVariance.size());
    tensors_.push_back({prefix + layer + kCounter, Dtype::kI64, {}, value});
  }
}

void TensorWriter::add_class_weights(const std::string& name, std::span<const float> rows,
                                     std::int64_t classes, std::int64_t width) {
  float* columns = room(rows.size());
  transpose(rows.data(), classes, width, columns);
  tensors_.push_back({name, Dtype::kF32, {width, classes}, columns});
}

void TensorWriter::add_vector(const std::string& name, std::span<const float> values) {
  float* stored = room(values.size());
  std::copy(values.begin(), values.end(), stored);
  tensors_.push_back({name, Dtype::kF32, {static_cast<std::int64_t>(values.size())}, stored});
}

}  // namespace qcface::model
