#include "harness/model/model.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/model/tensor_file.h"

namespace qcface::model {
namespace {

int blocks_in_layer(const TensorSource& file, int layer) {
  int count = 0;
  while (find_backbone_tensor(file, fmt::format("layer{}.{}.conv1.weight", layer, count)) != nullptr) ++count;
  return count;
}

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

nn::IResNetConfig backbone_of(const TensorSource& file) {
  const TensorView* bias = find_backbone_tensor(file, "fc.bias");
  const TensorView* stem = find_backbone_tensor(file, "conv1.weight");
  require(bias != nullptr && bias->shape.size() == 1 && stem != nullptr && stem->shape.size() == 4,
          "{}: holds no IResNet backbone (no fc.bias or conv1.weight)", file.path());
  const int embed_dim = static_cast<int>(bias->shape[0]);
  if (const auto named = file.metadata().find("arch"); named != file.metadata().end()) {
    return nn::iresnet_config(named->second, embed_dim);
  }
  std::array<int, 4> blocks{};
  for (int layer = 0; layer < 4; ++layer)
    blocks[static_cast<std::size_t>(layer)] = blocks_in_layer(file, layer + 1);
  for (const std::string& name : nn::iresnet_names()) {
    const nn::IResNetConfig config = nn::iresnet_config(name, embed_dim);
    if (config.blocks == blocks && config.widths[0] == stem->shape[0]) return config;
  }
  fail("{}: layers of {} blocks are no known IResNet; known are {}", file.path(), fmt::join(blocks, " "),
       fmt::join(nn::iresnet_names(), ", "));
}

Model load_model(const std::filesystem::path& path, int threads, const std::string& arch, DeviceKind device) {
  const TensorSource file = open_tensors(path);
  Model model;
  model.config = backbone_of(file);
  require(arch.empty() || arch == model.config.arch, "{}: holds a {} backbone, but --arch {} was asked for",
          file.path(), model.config.arch, arch);
  model.preparation = preparation_of(file);
  model.backend = device == DeviceKind::kCuda ? nn::make_cuda_backend() : nn::make_cpu_backend(threads);
  model.network = std::make_unique<nn::Network>(nn::iresnet_graph(model.config), *model.backend);
  read_backbone(file, model.network->parameters());
  if (const auto extra = unexpected_tensors(file, model.network->parameters()); !extra.empty()) {
    log::warn("{}: {} tensors are not part of {} and were left out, for example {}", file.path(),
              extra.size(), model.config.arch, printable(extra.front(), 200));
  }
  return model;
}

void NetworkEmbedder::embed(const float* images, std::int64_t n, float* out) {
  const auto& input = network_.graph().nodes().front().shape;
  const auto embeddings =
      network_.forward_eval({images, static_cast<std::size_t>(n) * input.elements()}, static_cast<int>(n));
  std::copy(embeddings.begin(), embeddings.end(), out);
}

}  // namespace qcface::model
