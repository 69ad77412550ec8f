// The IResNet backbones of iresnet.md as graphs.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "nn/backbones/table.h"
#include "nn/graph.h"

namespace qcface::nn {

struct IResNetConfig : BackboneSettings {
  std::array<int, 4> blocks{};
  std::array<int, 4> widths{64, 128, 256, 512};
  float bn_momentum = 0.9f;  // running = (1 - momentum) * running + momentum * batch
};

/// "ir18", "ir34", "ir50", "ir100" and "mini": one block a layer, widths 16 32 64 128, for the quick start. Throws Error
/// for any other name.
IResNetConfig iresnet_config(std::string_view arch, int embed_dim = 512);

/// Stem, four layers, batch norm, dropout, fully connected, batch norm. Tensors come in the order and under the
/// names of iresnet.md ("conv1.weight", ..., "features.running_var").
Graph iresnet_graph(const IResNetConfig& config);

/// One residual block on node x; names get `prefix`. A downsample branch is made if asked for.
int iresnet_block(Graph& graph, const std::string& prefix, int x, int out_channels, int stride,
                  bool downsample, float bn_eps, float bn_momentum);

/// For the table of backbones.
Graph iresnet_of_name(std::string_view name, const BackboneSettings& settings);
bool is_iresnet(std::string_view name, const ShapeOf& shape_of);

}  // namespace qcface::nn
