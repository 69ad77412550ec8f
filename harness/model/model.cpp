#include "harness/model/model.h"

#include <algorithm>
#include <climits>
#include <cstdint>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/model/tensor_file.h"

namespace qcface::model {
namespace {

data::Preparation preparation_of(const TensorSource& file) {
  const auto found = file.metadata().find("config");
  if (found == file.metadata().end()) return {};
  try {
    return data::preparation_from_json(parse_json(found->second));
  } catch (const std::exception&) {
    fail(
        "{}: the configuration in its metadata is damaged: expected a JSON object whose mean and std are "
        "three numbers, swap-rb true or false, non-square centre-crop or reject; take another checkpoint",
        file.path());
  }
}

}  // namespace

FoundBackbone backbone_of(const TensorSource& file) {
  const auto shape_of = [&](const std::string& name) {
    const TensorView* const view = find_backbone_tensor(file, name);
    return view == nullptr ? nullptr : &view->shape;
  };
  const auto named = file.metadata().find("arch");
  const nn::Backbone* found = nullptr;
  try {
    found = named != file.metadata().end() ? &nn::backbone(named->second) : nn::matching_backbone(shape_of);
  } catch (const Error& error) {
    fail("{}: its metadata names a backbone that is unknown: {}", file.path(), error.what());
  }
  require(found != nullptr, "{}: its tensors are those of no backbone that is known; known are {}",
          file.path(), fmt::join(nn::backbone_names(), ", "));
  const std::vector<std::int64_t>* const width = shape_of(found->embedding);
  require(width != nullptr && width->size() == 1 && width->front() > 0 && width->front() <= INT_MAX,
          "{}: holds no {} backbone: tensor {} is missing or no vector of an embedding's width", file.path(),
          found->name, found->embedding);
  return {*found, static_cast<int>(width->front())};
}

Model load_model(const std::filesystem::path& path, int threads, const std::string& arch,
                 const nn::DeviceChoice& device) {
  const TensorSource file = open_tensors(path);
  const auto [backbone, embed_dim] = backbone_of(file);
  require(arch.empty() || arch == backbone.name, "{}: holds a {} backbone, but --arch {} was asked for",
          file.path(), backbone.name, arch);
  Model model;
  model.arch = backbone.name;
  model.preparation = preparation_of(file);
  model.backend = nn::make_backend(device, nn::Precision::kFp32, threads);
  nn::BackboneSettings settings;
  settings.embed_dim = embed_dim;
  model.network = std::make_unique<nn::Network>(backbone.build(settings), *model.backend);
  read_backbone(file, model.network->parameters());
  if (const auto extra = unexpected_tensors(file, model.network->parameters()); !extra.empty()) {
    log::warn("{}: {} tensors are not part of {} and were left out, for example {}", file.path(),
              extra.size(), backbone.name, printable(extra.front(), 200));
  }
  return model;
}

void NetworkEmbedder::embed(const float* images, std::int64_t n, float* out) {
  const auto& input = network_.graph().nodes().front().shape;
  const auto embeddings =
      network_.forward_eval({images, static_cast<std::size_t>(n) * input.elements()}, static_cast<int>(n));
  std::copy(embeddings.begin(), embeddings.end(), out);
}

std::string NetworkEmbedder::fingerprint() const {
  const nn::ParameterStore& parameters = network_.parameters();
  Fnv1a hash;
  for (const nn::TensorSpec& tensor : parameters.tensors()) {
    const std::vector<float> values = parameters.values(tensor.name);
    hash.add(tensor.name);
    hash.add(values.data(), values.size() * sizeof(float));
  }
  return fmt::format("weights {} on {}", hash.hex(), parameters.backend().name());
}

}  // namespace qcface::model
