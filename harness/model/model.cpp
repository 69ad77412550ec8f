#include "harness/model/model.h"

#include <algorithm>
#include <climits>
#include <cstdint>

#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/model/tensor_file.h"

namespace qcface::model {
FoundBackbone backbone_of(const TensorSource& file) {
  const auto shape_of = [&](const std::string& name) {
    const TensorView* const view = file.find("backbone." + name);
    return view == nullptr ? nullptr : &view->shape;
  };
  const nn::Backbone* found = nn::matching_backbone(shape_of);
  const auto named = file.metadata().find("arch");
  if (found == nullptr && named != file.metadata().end() && shape_of("conv1.weight") != nullptr) {
    try {
      found = &nn::backbone(named->second);
    } catch (const Error& error) {
      fail("{}: its metadata names a backbone that is unknown: {}", file.path(), error.what());
    }
  }
  require(found != nullptr, "{}: its tensors are those of no backbone that is known; known are {}",
          file.path(), fmt::join(nn::backbone_names(), ", "));
  const std::vector<std::int64_t>* const width = shape_of(found->embedding);
  require(width != nullptr && width->size() == 1 && width->front() > 0 && width->front() <= INT_MAX,
          "{}: holds no {} backbone: tensor {} is missing or no vector of an embedding's width", file.path(),
          found->name, found->embedding);
  return {*found, static_cast<int>(width->front())};
}

Model load_model(const std::filesystem::path& path, std::optional<Family> family, int threads,
                 const std::string& arch, const nn::DeviceChoice& device) {
  const ModelFile file = open_model(path, family);
  const auto [backbone, embed_dim] = backbone_of(file.tensors);
  require(arch.empty() || arch == backbone.name, "{}: holds a {} backbone, but --arch {} was asked for",
          path.string(), backbone.name, arch);
  Model model;
  model.arch = backbone.name;
  model.preparation = file.preparation;
  model.backend = nn::make_backend(device, nn::Precision::kFp32, threads);
  nn::BackboneSettings settings;
  settings.embed_dim = embed_dim;
  settings.bn_eps = static_cast<float>(file.bn_eps);
  model.network = std::make_unique<nn::Network>(backbone.build(settings), *model.backend);
  read_backbone(file.tensors, model.network->parameters());
  log::info("weights: {}: {}, {}", path.string(), backbone.name, file.describe());
  warn_of_unexpected(file.tensors, model.network->parameters().tensors(), backbone.name);
  return model;
}

void warn_of_unexpected(const TensorSource& file, std::span<const nn::TensorSpec> backbone,
                        const std::string& arch) {
  const std::vector<std::string> extra = compare_names(file, backbone).unexpected;
  if (extra.empty()) return;
  std::string examples;
  for (std::size_t i = 0; i < std::min<std::size_t>(extra.size(), 3); ++i)
    examples += (i > 0 ? ", " : "") + printable(extra[i], 200);
  log::warn("{}: {} tensors are not part of {} and were left out, for example {} (qcface inspect lists them)",
            file.path(), extra.size(), arch, examples);
}

void NetworkEmbedder::embed(const float* images, std::int64_t n, float* out) {
  const auto& input = network_.graph().nodes().front().shape;
  const auto embeddings =
      network_.forward_eval({images, static_cast<std::size_t>(n) * input.elements()}, static_cast<int>(n));
  std::copy(embeddings.begin(), embeddings.end(), out);
}

std::string NetworkEmbedder::fingerprint() const {
  return fmt::format("weights {} on {}", model_hash(), network_.parameters().backend().name());
}

std::string NetworkEmbedder::model_hash() const {
  const nn::ParameterStore& parameters = network_.parameters();
  Fnv1a hash;
  for (const nn::TensorSpec& tensor : parameters.tensors()) {
    const std::vector<float> values = parameters.values(tensor.name);
    hash.add(tensor.name);
    hash.add(values.data(), values.size() * sizeof(float));
  }
  return hash.hex();
}

}  // namespace qcface::model
