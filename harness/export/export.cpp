#include "harness/export/export.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/tensors/safetensors.h"
#include "harness/export/onnx.h"
#include "harness/export/pytorch.h"
#include "harness/export/weights.h"

namespace qcface::exports {
namespace {

// Epochs done, as the published code counts them; 0: the file does not say.
std::int64_t epoch_of(const TensorSource& file) {
  const auto& metadata = file.metadata();
  if (const auto state = metadata.find("state"); state != metadata.end()) {
    const auto json = try_parse_json(state->second);
    if (json && json->is_object()) {
      const auto epoch = json->find("epoch");
      if (epoch != json->end() && epoch->is_number_integer()) return epoch->get<std::int64_t>();
    }
  }
  std::int64_t epoch = 0;
  if (const auto found = metadata.find("epoch"); found != metadata.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), epoch);
  return epoch;
}

std::string own_words(const Weights& weights) {
  nlohmann::ordered_json words = data::to_json(weights.file.preparation);
  words["bn-eps"] = weights.bn_eps;
  words["family"] = model::facts_of(weights.file.family).name;
  return words.dump();
}

void write_safetensors_of(const std::filesystem::path& path, const Weights& weights, const std::string& own) {
  require_finite(weights);
  std::vector<SafeTensorOut> tensors;
  for (const ExportTensor& tensor : weights.tensors) {
    tensors.push_back({tensor.name, tensor.is_scalar() ? Dtype::kI64 : Dtype::kF32, tensor.shape, nullptr,
                       [&](const SafeTensorOut::Take& take) { stream(weights, tensor, take); }});
  }
  write_safetensors(path, tensors,
                    {{"format", "pt"}, {"arch", weights.backbone.name}, {model::kExportKey, own}});
}

}  // namespace

void export_model(const model::ModelFile& file, const std::filesystem::path& out,
                  const ExportOptions& options) {
  WeightChoice choice{.head = options.head, .bare = options.bare};
  if (options.format == Format::kOnnx) {
    choice.bare = true;
    choice.counters = false;
  } else if (options.format == Format::kPytorch) {
    choice.bn_eps =
        model::facts_of(options.bare ? model::Family::kInsightface : model::Family::kQcface).bn_eps;
  }
  const Weights weights = collect_weights(file, choice);
  const std::string own = own_words(weights);
  switch (options.format) {
    case Format::kPytorch:
      write_pytorch(out, weights, {options.bare, epoch_of(file.tensors), own});
      break;
    case Format::kSafetensors:
      write_safetensors_of(out, weights, own);
      break;
    case Format::kOnnx:
      write_onnx(out, weights, {options.normalise, options.magnitude});
      break;
  }
  bool with_head = false;
  for (const ExportTensor& tensor : weights.tensors) with_head |= tensor.name == "head.weight";
  std::error_code error;
  log::info("{}: {} of {} tensors{}, {:.1f} MiB", out.string(), weights.backbone.name, weights.tensors.size(),
            with_head ? " with head.weight" : "",
            static_cast<double>(std::filesystem::file_size(out, error)) / (1 << 20));
  if (weights.bn_eps != file.bn_eps) {
    log::info(
        "the weights need batch-norm eps {} and the code that reads this file has {}: running variances are "
        "shifted by the difference, embeddings stay the same",
        file.bn_eps, weights.bn_eps);
  }
  log::info("input: {}", options.format == Format::kOnnx && options.normalise
                             ? "pixels 0..255 in RGB order"
                             : model::describe(file.preparation));
}

}  // namespace qcface::exports
