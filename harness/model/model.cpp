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

int blocks_in_layer(const SafeTensorsFile& file, int layer) {
  int count = 0;
  while (find_backbone_tensor(file, fmt::format("layer{}.{}.conv1.weight", layer, count)) != nullptr) ++count;
  return count;
}

Preprocessing preprocessing_of(const SafeTensorsFile& file, const std::string& path) {
  Preprocessing result;
  const auto found = file.metadata().find("config");
  if (found == file.metadata().end()) return result;
  try {
    const auto config = parse_json(found->second);
    result.mean = config.value("mean", result.mean);
    result.std = config.value("std", result.std);
    result.swap_rb = config.value("swap-rb", result.swap_rb);
    result.non_square = config.value("non-square", result.non_square);
  } catch (const std::exception&) {
    fail(
        "{}: the configuration in its metadata is damaged: expected a JSON object whose mean and std are "
        "three "
        "numbers, swap-rb true or false, non-square text; take another checkpoint",
        path);
  }
  return result;
}

}  // namespace

nn::IResNetConfig backbone_of(const SafeTensorsFile& file, const std::string& path) {
  const SafeTensorView* bias = find_backbone_tensor(file, "fc.bias");
  const SafeTensorView* stem = find_backbone_tensor(file, "conv1.weight");
  require(bias != nullptr && bias->shape.size() == 1 && stem != nullptr && stem->shape.size() == 4,
          "{}: holds no IResNet backbone (no fc.bias or conv1.weight)", path);
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
  fail("{}: layers of {} blocks are no known IResNet; known are {}", path, fmt::join(blocks, " "),
       fmt::join(nn::iresnet_names(), ", "));
}

Model load_model(const std::filesystem::path& path, int threads, const std::string& arch,
                 const nn::DeviceChoice& device) {
  const SafeTensorsFile file(path);
  Model model;
  model.config = backbone_of(file, path.string());
  require(arch.empty() || arch == model.config.arch, "{}: holds a {} backbone, but --arch {} was asked for",
          path.string(), model.config.arch, arch);
  model.preprocessing = preprocessing_of(file, path.string());
  model.backend = nn::make_backend(device, nn::Precision::kFp32, threads);
  model.network = std::make_unique<nn::Network>(nn::iresnet_graph(model.config), *model.backend);
  read_backbone(file, path.string(), model.network->parameters());
  if (const auto extra = unexpected_tensors(file, model.network->parameters()); !extra.empty()) {
    log::warn("{}: {} tensors are not part of {} and were left out, for example {}", path.string(),
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
