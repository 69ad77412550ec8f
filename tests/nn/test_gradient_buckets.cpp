// Buckets of a network's gradient: what they cover, and that none is called complete before backward has written it.
#include "nn/gradient_buckets.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "nn/backbones/iresnet.h"
#include "nn/backbones/table.h"
#include "nn/lower.h"
#include "nn/network.h"
#include "tests/nn/test_backend.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

Graph network_graph(const std::string& arch) {
  return backbone(arch).build({.embed_dim = 64, .dropout = 0.4, .bn_eps = 2e-5f});
}

/// Places of the weights' gradients, in floats.
struct Place {
  std::size_t tensor, first, end;
};
std::vector<Place> places(const ParameterStore& store) {
  std::vector<Place> found;
  for (std::size_t i = 0; i < store.tensors().size(); ++i) {
    if (store.tensors()[i].kind != TensorKind::kWeight) continue;
    const std::span<const float> storage = store.storage(i, TensorRole::kGradient);
    const auto first = static_cast<std::size_t>(storage.data() - store.gradients().data());
    found.push_back({i, first, first + storage.size()});
  }
  return found;
}

void require_cut(const LoweredGraph& graph, const ParameterStore& store, std::size_t bytes) {
  const std::vector<GradientBucket> buckets = make_gradient_buckets(graph, store, bytes);
  REQUIRE_FALSE(buckets.empty());
  // All of the array, without overlap, none but the front one smaller than asked for.
  std::vector<GradientBucket> in_order = buckets;
  std::sort(in_order.begin(), in_order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t next = 0;
  for (const GradientBucket& bucket : in_order) {
    REQUIRE(bucket.first == next);
    REQUIRE(bucket.count > 0);
    REQUIRE((bucket.first == 0 || bucket.count * sizeof(float) >= bytes));
    next += bucket.count;
  }
  REQUIRE(next == store.gradients().size());
  // Each tensor whole in one of them, which waits for every layer that writes it.
  for (const Place& place : places(store)) {
    INFO(store.tensors()[place.tensor].name);
    int holding = 0;
    for (const GradientBucket& bucket : buckets) {
      const bool begins = bucket.first <= place.first && place.first < bucket.first + bucket.count;
      if (!begins) continue;
      ++holding;
      REQUIRE(place.end <= bucket.first + bucket.count);
      for (std::size_t l = 0; l < graph.layers.size(); ++l) {
        const Layer& layer = graph.layers[l];
        for (const int tensor : {layer.weight, layer.bias, layer.slope}) {
          if (tensor == static_cast<int>(place.tensor)) REQUIRE(bucket.layer <= static_cast<int>(l));
        }
      }
    }
    REQUIRE(holding == 1);
  }
  // Smaller than two of what is needed at least: the cut is at the first border behind `bytes`.
  const std::vector<Place> all = places(store);
  for (const GradientBucket& bucket : buckets) {
    const auto second =
        std::find_if(all.begin(), all.end(), [&](const Place& p) { return p.first > bucket.first; });
    if (second == all.end() || second->first >= bucket.first + bucket.count) continue;
    REQUIRE((bucket.first + bucket.count - second->first) * sizeof(float) < bytes);
  }
  for (std::size_t b = 1; b < buckets.size(); ++b) REQUIRE(buckets[b].layer <= buckets[b - 1].layer);
}

}  // namespace

TEST_CASE("gradient buckets: every tensor in one, complete with the last layer that writes it") {
  QCFACE_BACKEND(backend);
  for (const std::string arch : {"mini", "ir18"}) {
    const Graph graph = network_graph(arch);
    const Network network(graph, *backend);
    const LoweredGraph lowered = lower(graph);
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{10000}, std::size_t{1} << 20,
                                    std::size_t{4} << 20, std::size_t{1} << 40}) {
      INFO(arch << ", " << bytes << " bytes");
      require_cut(lowered, network.parameters(), bytes);
    }
    const std::size_t whole =
        make_gradient_buckets(lowered, network.parameters(), std::size_t{1} << 40).size();
    REQUIRE(whole == 1);
    REQUIRE(make_gradient_buckets(lowered, network.parameters(), 1).size() ==
            places(network.parameters()).size());
    REQUIRE_THROWS_AS(make_gradient_buckets(lowered, network.parameters(), 0), Error);
  }
}

TEST_CASE("gradient buckets: a tensor that two layers have waits for the front one") {
  QCFACE_BACKEND(backend);
  const Graph graph = network_graph("mini");
  const Network network(graph, *backend);
  LoweredGraph lowered = lower(graph);
  const int shared = lowered.layers.back().weight;
  REQUIRE(shared >= 0);
  const auto layer_of = [&] {
    for (const GradientBucket& bucket : make_gradient_buckets(lowered, network.parameters(), 1)) {
      const std::span<const float> storage =
          network.parameters().storage(static_cast<std::size_t>(shared), TensorRole::kGradient);
      if (network.parameters().gradients().data() + bucket.first == storage.data()) return bucket.layer;
    }
    return -1;
  };
  REQUIRE(layer_of() == static_cast<int>(lowered.layers.size()) - 1);
  lowered.layers[2].slope = shared;
  REQUIRE(layer_of() == 2);
}

TEST_CASE("gradient buckets: backward has written a bucket when it has run the bucket's layer") {
  QCFACE_BACKEND(backend, 2);
  IResNetConfig config = iresnet_config("mini", 16);
  config.widths = {8, 8, 16, 16};
  config.image_size = 16;
  Network network(iresnet_graph(config), *backend);
  ParameterStore& store = network.parameters();
  store.initialise(3);
  constexpr int n = 3;
  std::vector<float> images(static_cast<std::size_t>(n) * 3 * 16 * 16);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = std::sin(static_cast<float>(i));
  std::vector<float> d(static_cast<std::size_t>(n) * 16);
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = std::cos(static_cast<float>(i));
  const Memory held_images = backend->allocate(images.size() * 4, "images"),
               held_d = backend->allocate(d.size() * 4, "d"), rows = backend->allocate(d.size() * 4, "rows");
  backend->copy_to_device(held_images.data(), images.data(), images.size() * 4);
  backend->copy_to_device(held_d.data(), d.data(), d.size() * 4);
  const std::vector<GradientBucket> buckets = network.gradient_buckets(2000);
  REQUIRE(buckets.size() > 5);

  DeviceImages given;
  given.canonical = held_images.floats().data();
  network.prepare(n, Mode::kTrain);
  network.forward_device(given, n, Mode::kTrain, DropoutKey(1, 0, 0), rows.floats().data());
  test::poison_gradients(store);
  std::vector<float> announced(store.gradients().size());  // as it was when its bucket was complete
  std::size_t next = 0;
  int previous = 1 << 20;
  network.backward_device(held_d.floats().data(), nullptr, [&](int layer) {
    REQUIRE(layer < previous);
    previous = layer;
    for (; next < buckets.size() && buckets[next].layer >= layer; ++next) {
      const GradientBucket& bucket = buckets[next];
      backend->synchronize();
      backend->copy_to_host(announced.data() + bucket.first, store.gradients().data() + bucket.first,
                            bucket.count * sizeof(float));
    }
  });
  backend->synchronize();
  REQUIRE(previous == 0);
  REQUIRE(next == buckets.size());
  const std::vector<float> final = test::read(store, store.gradients());
  for (const Place& place : places(store)) {
    INFO(store.tensors()[place.tensor].name);
    for (std::size_t i = place.first; i < place.end; ++i) {
      REQUIRE(std::isfinite(announced[i]));
      REQUIRE(announced[i] == final[i]);
    }
  }
}
