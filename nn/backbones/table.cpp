#include "nn/backbones/table.h"

#include "core/error.h"
#include "core/text.h"
#include "nn/backbones/iresnet.h"

namespace qcface::nn {
namespace {

constexpr Backbone kBackbones[] = {
    {"ir18", "iresnet18", "fc.bias", iresnet_of_name, is_iresnet},
    {"ir34", "iresnet34", "fc.bias", iresnet_of_name, is_iresnet},
    {"ir50", "iresnet50", "fc.bias", iresnet_of_name, is_iresnet},
    {"ir100", "iresnet100", "fc.bias", iresnet_of_name, is_iresnet},
    {"mini", "mini", "fc.bias", iresnet_of_name, is_iresnet},
};

}  // namespace

const Backbone& backbone(std::string_view name) {
  for (const Backbone& known : kBackbones) {
    if (name == known.name || name == known.also) return known;
  }
  fail("backbone '{}' is unknown; choose one of {}", printable(name, 100), fmt::join(backbone_names(), ", "));
}

const Backbone* matching_backbone(const ShapeOf& shape_of) {
  for (const Backbone& known : kBackbones) {
    if (known.matches(shape_of)) return &known;
  }
  return nullptr;
}

std::vector<std::string> backbone_names() {
  std::vector<std::string> names;
  for (const Backbone& known : kBackbones) names.emplace_back(known.name);
  return names;
}

}  // namespace qcface::nn
