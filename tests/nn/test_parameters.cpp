#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "nn/backbones/iresnet.h"
#include "nn/network.h"
#include "nn/optimiser.h"
#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

Graph small() {
  IResNetConfig config = iresnet_config("mini", 20);
  config.image_size = 32;
  config.widths = {12, 16, 20, 24};  // partly filled channel blocks
  return iresnet_graph(config);
}

}  // namespace

TEST_CASE("parameters: every tensor survives a round trip in every role") {
  const auto backend = make_cpu_backend(1);
  Network network(small(), *backend);
  ParameterStore& store = network.parameters();
  store.slot();
  std::uint32_t stream = 0;
  for (const TensorRole role : {TensorRole::kValue, TensorRole::kGradient, TensorRole::kSlot}) {
    for (std::size_t i = 0; i < store.tensors().size(); ++i) {
      if (store.tensors()[i].kind == TensorKind::kBuffer && role != TensorRole::kValue) continue;
      store.copy_in(i, test::tensor(3, ++stream, store.tensors()[i].elements(), 0, 1), role);
    }
  }
  stream = 0;
  for (const TensorRole role : {TensorRole::kValue, TensorRole::kGradient, TensorRole::kSlot}) {
    for (const TensorSpec& spec : store.tensors()) {
      if (spec.kind == TensorKind::kBuffer && role != TensorRole::kValue) continue;
      REQUIRE(store.values(spec.name, role) == test::tensor(3, ++stream, spec.elements(), 0, 1));
    }
  }
  REQUIRE(stream > 100);
}

TEST_CASE("parameters: the whole views keep every weight once and padding at zero under SGD") {
  const auto backend = make_cpu_backend(1);
  Network network(small(), *backend);
  ParameterStore& store = network.parameters();
  store.initialise(4);
  REQUIRE(store.weights().size() == store.gradients().size());
  REQUIRE(store.weights().size() == store.slot().size());
  REQUIRE(store.weights().size() >= store.weight_count());
  const std::vector<float> images = test::tensor(1, 1, 4 * 3 * 32 * 32, 0, 1);
  for (int k = 0; k < 3; ++k) {
    network.forward_train(images, 4, {1, 0, static_cast<std::uint64_t>(k)});
    network.backward(test::tensor(1, 2, 4 * 20, 0, 1));
    double whole = 0, apart = 0;
    for (const float g : store.gradients()) whole += static_cast<double>(g) * static_cast<double>(g);
    for (const TensorSpec& spec : store.tensors()) {
      if (spec.kind == TensorKind::kBuffer) continue;
      for (const float g : store.values(spec.name, TensorRole::kGradient))
        apart += static_cast<double>(g) * static_cast<double>(g);
    }
    REQUIRE(whole > 0);
    REQUIRE(std::fabs(whole - apart) <= 1e-9 * apart);  // nothing but zeros between the tensors
    update_weights(store.weights(), store.gradients(), store.slot(), 0.1f, {});
  }
}

TEST_CASE("parameters: initialisation has the stated spread and depends on the seed only") {
  const auto backend = make_cpu_backend(1);
  IResNetConfig config = iresnet_config("mini", 64);
  config.image_size = 32;
  Network a(iresnet_graph(config), *backend), b(iresnet_graph(config), *backend);
  a.parameters().initialise(7);
  b.parameters().initialise(8);
  REQUIRE(a.parameters().values("conv1.weight") != b.parameters().values("conv1.weight"));
  b.parameters().initialise(7);
  for (const TensorSpec& spec : a.parameters().tensors()) {
    const std::vector<float> v = a.parameters().values(spec.name);
    REQUIRE(v == b.parameters().values(spec.name));
    double mean = 0, square = 0, extreme = 0;
    for (const float x : v) {
      mean += static_cast<double>(x) / static_cast<double>(v.size());
      square += static_cast<double>(x) * static_cast<double>(x) / static_cast<double>(v.size());
      extreme = std::max(extreme, std::fabs(static_cast<double>(x)));
    }
    INFO(spec.name);
    if (spec.shape.size() == 4) {
      const double std_dev =
          std::sqrt(2.0 / static_cast<double>(spec.shape[0] * spec.shape[2] * spec.shape[3]));
      const double noise = 5 / std::sqrt(2.0 * static_cast<double>(v.size()));
      REQUIRE(std::fabs(std::sqrt(square) / std_dev - 1) <= noise);
    } else if (spec.name.starts_with("fc.")) {
      const double bound = 1 / std::sqrt(128.0 * 2 * 2);
      REQUIRE(extreme <= bound);
      REQUIRE(extreme >= 0.8 * bound);
    } else {
      const double constant = spec.name.find("prelu") != std::string::npos ? 0.25
                              : spec.name.ends_with("running_var")         ? 1
                              : spec.name.ends_with("weight")              ? 1
                                                                           : 0;
      for (const float x : v) REQUIRE(static_cast<double>(x) == constant);
    }
  }
}

TEST_CASE("parameters: errors name the tensor") {
  const auto backend = make_cpu_backend(1);
  Network network(small(), *backend);
  ParameterStore& store = network.parameters();
  const auto message = [](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  std::vector<float> wrong(3);
  CHECK(message([&] { store.index_of("layer9.weight"); }).find("layer9.weight") != std::string::npos);
  CHECK(message([&] { store.copy_in(0, wrong); }).find("conv1.weight") != std::string::npos);
  CHECK(message([&] { store.copy_out(0, wrong); }).find("conv1.weight") != std::string::npos);
  CHECK(message([&] { store.values("bn1.running_var", TensorRole::kGradient); }).find("bn1.running_var") !=
        std::string::npos);
  CHECK(message([&] { std::as_const(store).values("conv1.weight", TensorRole::kSlot); }).find("slot") !=
        std::string::npos);
  store.initialise(1);
  REQUIRE(store.first_non_finite(TensorRole::kValue).empty());
  std::vector<float> bad = store.values("layer2.0.conv1.weight");
  bad[7] = std::numeric_limits<float>::infinity();
  store.copy_in(store.index_of("layer2.0.conv1.weight"), bad);
  REQUIRE(store.first_non_finite(TensorRole::kValue) == "layer2.0.conv1.weight");
}
