#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "nn/backbones/iresnet.h"
#include "nn/lower.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}
bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t weights(const Graph& graph) {
  std::size_t count = 0;
  for (const TensorSpec& t : graph.tensors()) count += t.kind == TensorKind::kWeight ? t.elements() : 0;
  return count;
}

}  // namespace

TEST_CASE("iresnet: parameter counts of the published sizes") {
  REQUIRE(weights(iresnet_graph(iresnet_config("ir18"))) == 24025600);
  REQUIRE(weights(iresnet_graph(iresnet_config("ir50"))) == 43590848);
  REQUIRE(weights(backbone("iresnet100").build({})) == 65156160);
}

TEST_CASE("iresnet: presets and their names") {
  REQUIRE(iresnet_config("ir34").blocks == std::array<int, 4>{3, 4, 6, 3});
  REQUIRE(backbone("iresnet34").name == std::string("ir34"));
  REQUIRE(iresnet_config("mini", 128).embed_dim == 128);
  const std::string message = message_of([] { backbone("resnet18"); });
  for (const std::string& name : backbone_names()) REQUIRE(mentions(message, name));
  REQUIRE(mentions(message, "resnet18"));
  REQUIRE_THROWS_AS(iresnet_config("ir18", 0), Error);
  IResNetConfig odd = iresnet_config("mini");
  odd.image_size = 100;
  REQUIRE(mentions(message_of([&] { iresnet_graph(odd); }), "100"));
}

TEST_CASE("backbones: tensors tell which one they belong to, whatever their embedding width") {
  for (const std::string& name : backbone_names()) {
    const Graph graph = backbone(name).build({.embed_dim = 20, .image_size = 32});
    std::map<std::string, std::vector<std::int64_t>> shapes;
    for (const TensorSpec& t : graph.tensors()) shapes[t.name] = t.shape;
    const ShapeOf shape_of = [&](const std::string& tensor) {
      const auto found = shapes.find(tensor);
      return found == shapes.end() ? nullptr : &found->second;
    };
    INFO(name);
    const Backbone* const found = matching_backbone(shape_of);
    REQUIRE(found != nullptr);
    REQUIRE(found->name == name);
    REQUIRE(shapes.at(found->embedding) == std::vector<std::int64_t>{20});
    shapes["layer4.7.conv1.weight"] = shapes["layer4.8.conv1.weight"] = {1};  // not one after the other
    REQUIRE(matching_backbone(shape_of) == found);
    shapes.erase("layer2.0.conv1.weight");
    REQUIRE(matching_backbone(shape_of) == nullptr);
  }
  REQUIRE(matching_backbone([](const std::string&) { return nullptr; }) == nullptr);
}

TEST_CASE("graph: shapes are inferred") {
  Graph graph;
  int x = graph.input({3, 11, 7});
  x = graph.conv("a", x, 5, 3, 2, 1);
  REQUIRE(graph.nodes()[static_cast<std::size_t>(x)].shape == Shape{5, 6, 4, false});
  x = graph.conv("b", x, 4, 1, 2, 0);
  REQUIRE(graph.nodes()[static_cast<std::size_t>(x)].shape == Shape{4, 3, 2, false});
  x = graph.fully_connected("c", x, 9);
  REQUIRE(graph.nodes()[static_cast<std::size_t>(x)].shape == Shape{9, 1, 1, true});
  REQUIRE(graph.tensors()[2].shape == std::vector<std::int64_t>{9, 24});
}

TEST_CASE("graph: what does not fit is named") {
  Graph graph;
  const int x = graph.input({4, 6, 6});
  const int small = graph.conv("small", x, 4, 3, 2, 1);
  const int flat = graph.fully_connected("flat", x, 8);
  const std::string add = message_of([&] { graph.add("sum", x, small); });
  REQUIRE(mentions(add, "sum"));
  REQUIRE(mentions(add, "[4, 6, 6]"));
  REQUIRE(mentions(add, "[4, 3, 3]"));
  REQUIRE(mentions(message_of([&] { graph.conv("late", flat, 3, 3, 1, 1); }), "late"));
  REQUIRE(mentions(message_of([&] { graph.conv("huge", x, 3, 9, 1, 0); }), "[4, 6, 6]"));
  REQUIRE(mentions(message_of([&] { graph.prelu("small", 99); }), "99"));
  REQUIRE(mentions(message_of([&] { graph.conv("small", x, 4, 3, 1, 1); }), "small.weight"));
  REQUIRE_THROWS_AS(graph.input({3, 4, 4}), Error);
  REQUIRE_THROWS_AS(graph.dropout("d", x, 1.0), Error);
  REQUIRE_THROWS_AS(graph.batch_norm("n", x, 0, 0.9f), Error);
  REQUIRE_THROWS_AS(graph.set_output(77), Error);
  REQUIRE_THROWS_AS(lower(graph), Error);  // no output
}

TEST_CASE("lowering: batch norm, PReLU and addition share a layer, dropout rides on the flattening") {
  const LoweredGraph lowered = lower(iresnet_graph(iresnet_config("ir18")));
  int pointwise = 0, copies = 0, convs = 0, fused = 0;
  for (const Layer& layer : lowered.layers) {
    pointwise += layer.kind == LayerKind::kPointwise;
    convs += layer.kind == LayerKind::kConv;
    copies += layer.kind == LayerKind::kCopy;
    fused += layer.batch_norm && (layer.residual >= 0 || layer.slope >= 0);
    if (layer.kind == LayerKind::kCopy) REQUIRE(layer.drop == 0.4);
  }
  REQUIRE(convs == 1 + 8 * 2 + 4);
  REQUIRE(pointwise == 1 + 8 * 3 + 4 + 2);  // no PReLU and no addition of its own
  REQUIRE(fused == 1 + 8 * 2);
  REQUIRE(copies == 1);
}
