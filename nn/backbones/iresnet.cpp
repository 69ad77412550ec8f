#include "nn/backbones/iresnet.h"

#include <algorithm>
#include <iterator>

#include "core/error.h"

namespace qcface::nn {
namespace {

struct Preset {
  const char* name;
  std::array<int, 4> blocks;
  std::array<int, 4> widths;
};

constexpr std::array<int, 4> kWidths{64, 128, 256, 512};
constexpr Preset kPresets[] = {
    {"ir18", {2, 2, 2, 2}, kWidths},           {"ir34", {3, 4, 6, 3}, kWidths},
    {"ir50", {3, 4, 14, 3}, kWidths},          {"ir100", {3, 13, 30, 3}, kWidths},
    {"mini", {1, 1, 1, 1}, {16, 32, 64, 128}},
};

}  // namespace

IResNetConfig iresnet_config(std::string_view arch, int embed_dim) {
  const auto* const preset = std::find_if(std::begin(kPresets), std::end(kPresets),
                                          [&](const Preset& known) { return arch == known.name; });
  require(preset != std::end(kPresets), "'{}' is no IResNet", arch);
  require(embed_dim > 0, "embedding width {} must be positive", embed_dim);
  IResNetConfig config;
  config.blocks = preset->blocks;
  config.widths = preset->widths;
  config.embed_dim = embed_dim;
  return config;
}

int iresnet_block(Graph& graph, const std::string& prefix, int x, int out_channels, int stride,
                  bool downsample, float bn_eps, float bn_momentum) {
  int u = graph.batch_norm(prefix + "bn1", x, bn_eps, bn_momentum);
  u = graph.conv(prefix + "conv1", u, out_channels, 3, 1, 1);
  u = graph.batch_norm(prefix + "bn2", u, bn_eps, bn_momentum);
  u = graph.prelu(prefix + "prelu", u);
  u = graph.conv(prefix + "conv2", u, out_channels, 3, stride, 1);
  u = graph.batch_norm(prefix + "bn3", u, bn_eps, bn_momentum);
  int shortcut = x;
  if (downsample) {
    shortcut = graph.conv(prefix + "downsample.0", x, out_channels, 1, stride, 0);
    shortcut = graph.batch_norm(prefix + "downsample.1", shortcut, bn_eps, bn_momentum);
  }
  return graph.add(prefix + "add", u, shortcut);
}

Graph iresnet_graph(const IResNetConfig& config) {
  require(config.image_size >= 16 && config.image_size % 16 == 0,
          "image size {} must be a positive multiple of 16", config.image_size);
  Graph graph;
  int x = graph.input({3, config.image_size, config.image_size});
  x = graph.conv("conv1", x, config.widths[0], 3, 1, 1);
  x = graph.batch_norm("bn1", x, config.bn_eps, config.bn_momentum);
  x = graph.prelu("prelu", x);
  for (std::size_t layer = 0; layer < 4; ++layer) {
    require(config.blocks[layer] > 0 && config.widths[layer] > 0,
            "layer{}: {} blocks of width {}; both must be positive", layer + 1, config.blocks[layer],
            config.widths[layer]);
    for (int block = 0; block < config.blocks[layer]; ++block) {
      const bool first = block == 0;  // halves the image and, from layer2 on, changes the width
      x = iresnet_block(graph, fmt::format("layer{}.{}.", layer + 1, block), x, config.widths[layer],
                        first ? 2 : 1, first, config.bn_eps, config.bn_momentum);
    }
  }
  x = graph.batch_norm("bn2", x, config.bn_eps, config.bn_momentum);
  x = graph.dropout("dropout", x, config.dropout);
  x = graph.fully_connected("fc", x, config.embed_dim);
  x = graph.batch_norm("features", x, config.bn_eps, config.bn_momentum);
  graph.set_output(x);
  return graph;
}

Graph iresnet_of_name(std::string_view name, const BackboneSettings& settings) {
  IResNetConfig config = iresnet_config(name);
  static_cast<BackboneSettings&>(config) = settings;
  return iresnet_graph(config);
}

bool is_iresnet(std::string_view name, const ShapeOf& shape_of) {
  const IResNetConfig config = iresnet_config(name);
  for (std::size_t layer = 0; layer < 4; ++layer) {
    int blocks = 0;
    while (shape_of(fmt::format("layer{}.{}.conv1.weight", layer + 1, blocks)) != nullptr) ++blocks;
    if (blocks != config.blocks[layer]) return false;
  }
  const auto* const stem = shape_of("conv1.weight");
  return stem != nullptr && !stem->empty() && stem->front() == config.widths[0];
}

}  // namespace qcface::nn
