#include <algorithm>
#include <functional>
#include <limits>

#include "core/error.h"
#include "nn/backbones/iresnet.h"
#include "nn/network.h"
#include "tests/nn/pictures.h"
#include "tests/nn/test_backend.h"
#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

constexpr int kSize = 32, kWidth = 24;

Graph mini(double dropout = 0.4) {
  IResNetConfig config = iresnet_config("mini", kWidth);
  config.image_size = kSize;
  config.dropout = dropout;
  return iresnet_graph(config);
}
std::vector<float> pictures(int n, std::uint32_t stream = 1) {
  return test::tensor(31, stream, static_cast<std::size_t>(n) * 3 * kSize * kSize, 0, 1);
}
std::vector<float> copy(std::span<const float> v) { return {v.begin(), v.end()}; }

/// Three steps of training; weights at the end.
std::vector<float> train(Network& network, std::span<const int> batches) {
  ParameterStore& store = network.parameters();
  store.initialise(5);
  std::uint64_t step = 0;
  for (const int n : batches) {
    network.forward_train(pictures(n), n, {9, 2, step++});
    network.backward(test::tensor(31, 2, static_cast<std::size_t>(n * kWidth), 0, 0.1));
    test::update(store, 0.05f, {0.9f, 5e-4f});
  }
  std::vector<float> all = test::read(store, store.weights());
  const std::vector<float> buffers = test::read(store, store.buffers());
  all.insert(all.end(), buffers.begin(), buffers.end());
  return all;
}

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

}  // namespace

TEST_CASE("network: training gives the same bits twice, whatever ran before") {
  QCFACE_BACKEND(backend, 2);
  const std::vector<int> batches{6, 6, 3};
  Network first(mini(), *backend), second(mini(), *backend);
  const std::vector<float> expected = train(first, batches);
  second.parameters().initialise(1);
  second.forward_eval(pictures(9), 9);  // another size has shaped the arena
  second.forward_train(pictures(5), 5);
  REQUIRE(train(second, batches) == expected);
  REQUIRE(train(first, batches) == expected);
  QCFACE_BACKEND(other, 2);
  Network third(mini(), *other);
  REQUIRE(train(third, batches) == expected);
}

TEST_CASE("network: evaluation agrees for every number of threads") {
  std::vector<std::vector<float>> outputs;
  for (const int threads : {1, 2, 3}) {
    QCFACE_BACKEND(backend, threads);
    Network network(mini(), *backend);
    network.parameters().initialise(5);
    outputs.push_back(copy(network.forward_eval(pictures(4), 4)));
  }
  for (std::size_t i = 0; i < outputs[0].size(); ++i) {
    REQUIRE(std::fabs(outputs[0][i] - outputs[1][i]) <= 1e-5f * (1 + std::fabs(outputs[0][i])));
    REQUIRE(std::fabs(outputs[0][i] - outputs[2][i]) <= 1e-5f * (1 + std::fabs(outputs[0][i])));
  }
}

TEST_CASE("network: what an arena held before does not matter") {
  QCFACE_BACKEND(backend, 2);
  Network clean(mini(), *backend), poisoned(mini(), *backend);
  const std::vector<int> batches{4, 4};
  const std::vector<float> expected = train(clean, batches);
  poisoned.parameters().initialise(5);
  std::vector<float> nan(pictures(7).size(), std::numeric_limits<float>::quiet_NaN());
  poisoned.forward_train(nan, 7);  // leaves NaN all over the arena, and in the running statistics
  poisoned.backward(test::tensor(1, 1, 7 * kWidth, 0, 1));
  REQUIRE(train(poisoned, batches) == expected);
}

TEST_CASE("network: batch sizes in turn agree with a network that saw only one") {
  QCFACE_BACKEND(backend, 2);
  Network many(mini(), *backend);
  many.parameters().initialise(5);
  for (const int n : {4, 1, 7, 3, 4, 1}) {
    Network one(mini(), *backend);
    one.parameters().initialise(5);
    REQUIRE(copy(many.forward_eval(pictures(n), n)) == copy(one.forward_eval(pictures(n), n)));
    REQUIRE(many.arena_bytes() >= many.arena_layout(n, Mode::kEval).peak_bytes);
  }
  const std::size_t grown = many.arena_bytes();
  for (const int n : {4, 7, 1}) many.forward_eval(pictures(n), n);
  REQUIRE(many.arena_bytes() == grown);
}

TEST_CASE("network: samples do not influence each other in evaluation") {
  QCFACE_BACKEND(backend, 2);
  Network network(mini(), *backend);
  network.parameters().initialise(5);
  const std::vector<float> three = pictures(3), batch = copy(network.forward_eval(three, 3));
  const std::vector<float> alone = copy(network.forward_eval(std::span(three).last(3 * kSize * kSize), 1));
  for (std::size_t i = 0; i < kWidth; ++i)
    REQUIRE(std::fabs(alone[i] - batch[2 * kWidth + i]) <= 1e-5f * (1 + std::fabs(alone[i])));
}

TEST_CASE("network: a batch of one is refused in training and fine in evaluation") {
  QCFACE_BACKEND(backend, 1);
  Network network(mini(), *backend);
  network.parameters().initialise(5);
  const std::string message = message_of([&] { network.forward_train(pictures(1), 1); });
  REQUIRE(mentions(message, "batch"));
  REQUIRE(mentions(message, "features"));
  REQUIRE(mentions(message, "batch norm"));
  REQUIRE(network.forward_eval(pictures(1), 1).size() == kWidth);
  REQUIRE(network.forward_train(pictures(2), 2).size() == 2 * kWidth);  // the refusal left nothing broken
}

TEST_CASE("network: wrong sizes and a backward without its forward are refused") {
  QCFACE_BACKEND(backend, 1);
  Network network(mini(), *backend);
  network.parameters().initialise(5);
  const std::vector<float> d(2 * kWidth);
  REQUIRE_THROWS_AS(network.forward_eval(pictures(2), 3), Error);
  REQUIRE_THROWS_AS(network.forward_eval({}, 0), Error);
  REQUIRE(mentions(message_of([&] { network.backward(d); }), "forward_train"));
  network.forward_eval(pictures(2), 2);
  REQUIRE_THROWS_AS(network.backward(d), Error);
  network.forward_train(pictures(2), 2);
  REQUIRE(mentions(message_of([&] { network.backward(std::span(d).first(5)); }), "d_embedding"));
  network.forward_train(pictures(2), 2);
  std::vector<float> d_images(pictures(2).size());
  REQUIRE(mentions(message_of([&] { network.backward(d, d_images); }), "enable_input_gradient"));
  network.forward_train(pictures(2), 2);
  network.backward(d);
  REQUIRE_THROWS_AS(network.backward(d), Error);  // gradients have overwritten what it needs
  REQUIRE_THROWS_AS(network.enable_input_gradient(), Error);
  const std::vector<std::uint8_t> keep(3);
  DropoutKey key;
  key.keep = keep;
  REQUIRE(mentions(message_of([&] { network.forward_train(pictures(2), 2, key); }), "mask"));
}

TEST_CASE("dropout: keyed by seed, epoch and step, cut out of the whole batch by the first row") {
  QCFACE_BACKEND(backend, 2);
  Graph graph;
  graph.set_output(graph.dropout("dropout", graph.input({512, 1, 1}), 0.4));
  Network network(std::move(graph), *backend);
  const std::vector<float> ones(64 * 512, 1.0f);
  const auto mask = [&](const DropoutKey& key, int n = 64) {
    return copy(network.forward_train(std::span(ones).first(static_cast<std::size_t>(n) * 512), n, key));
  };
  const std::vector<float> whole = mask({3, 1, 2});
  REQUIRE(mask({3, 1, 2}) == whole);
  REQUIRE(mask({4, 1, 2}) != whole);
  REQUIRE(mask({3, 2, 2}) != whole);
  REQUIRE(mask({3, 1, 3}) != whole);
  double kept = 0;
  for (const float v : whole) {
    REQUIRE((v == 0 || v == static_cast<float>(1 / 0.6)));
    kept += v != 0;
  }
  const double count = 64 * 512;
  REQUIRE(std::fabs(kept / count - 0.6) <= 5 * std::sqrt(0.24 / count));
  const std::vector<float> tail = mask({3, 1, 2, 40}, 24);
  REQUIRE(std::equal(tail.begin(), tail.end(), whole.begin() + 40 * 512));
  REQUIRE(copy(network.forward_eval(ones, 64)) == ones);
}

TEST_CASE("network: the first value that is not finite is named") {
  QCFACE_BACKEND(backend, 1);
  Network network(mini(0), *backend);
  ParameterStore& store = network.parameters();
  store.initialise(5);
  const std::vector<float> fine = pictures(3), d(3 * kWidth, 0.1f);
  const std::vector<float> statistics = test::read(store, store.buffers());
  REQUIRE(network.find_non_finite(fine, 3, {}, d).empty());
  REQUIRE(test::read(store, store.buffers()) == statistics);

  std::vector<float> images = fine;
  images[3 * kSize * kSize + 2 * kSize * kSize + 5 * kSize + 7] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(mentions(network.find_non_finite(images, 3, {}), "[1, 2, 5, 7]"));
  std::vector<float> bad_d = d;
  bad_d[kWidth] = std::numeric_limits<float>::infinity();
  REQUIRE(mentions(network.find_non_finite(fine, 3, {}, bad_d), "embeddings"));

  const std::size_t index = store.index_of("layer2.0.conv1.weight");
  std::vector<float> weight = store.values("layer2.0.conv1.weight");
  std::vector<float> huge(weight.size(), 3e38f);
  store.copy_in(index, huge);  // finite itself, but its sums are not
  REQUIRE(mentions(network.find_non_finite(fine, 3, {}, d), "layer2.0.conv1"));
  huge[0] = std::numeric_limits<float>::quiet_NaN();
  store.copy_in(index, huge);
  REQUIRE(mentions(network.find_non_finite(fine, 3, {}, d), "parameter 'layer2.0.conv1.weight'"));
}

TEST_CASE("network: images, embeddings and gradient in the backend's memory give the bits of the host's") {
  QCFACE_BACKEND(backend, 2);
  Network network(mini(), *backend);
  ParameterStore& store = network.parameters();
  constexpr int n = 5;
  const test::Pictures noise(n, kSize);
  const std::vector<float> d = test::tensor(31, 2, static_cast<std::size_t>(n) * kWidth, 0, 0.1);
  const DropoutKey key{9, 2, 5, 7};
  store.initialise(3);
  const std::vector<float> output = copy(network.forward_train(noise.canonical, n, key));
  network.backward(d);
  const std::vector<float> gradients = test::read(store, store.gradients());

  const auto held = [&](const void* data, std::size_t bytes) {
    nn::Memory memory = backend->allocate(bytes, "test");
    backend->copy_to_device(memory.data(), data, bytes);
    return memory;
  };
  const Memory held_pixels = held(noise.pixels.data(), noise.pixels.size()),
               held_table = held(noise.table.data(), noise.table.size() * 4),
               held_d = held(d.data(), d.size() * 4), record = held(&key.drawn, sizeof key.drawn),
               rows = backend->allocate(output.size() * 4, "rows");
  DropoutKey late;
  late.record = reinterpret_cast<const DropoutRecord*>(record.data());
  DeviceImages images;
  images.pixels = reinterpret_cast<const std::uint8_t*>(held_pixels.data());
  images.normalisation = held_table.floats().data();
  store.initialise(3);
  network.prepare(n, Mode::kTrain);
  network.forward_device(images, n, Mode::kTrain, late, rows.floats().data());
  network.backward_device(held_d.floats().data());
  backend->synchronize();
  std::vector<float> found(output.size());
  backend->copy_to_host(found.data(), rows.data(), found.size() * 4);
  REQUIRE(found == output);
  REQUIRE(test::read(store, store.gradients()) == gradients);
  images = {};
  REQUIRE_THROWS_AS(network.forward_device(images, n, Mode::kTrain, late, rows.floats().data()), Error);
}
