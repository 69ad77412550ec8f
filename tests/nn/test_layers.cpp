// Layers against the double reference: outputs and running statistics in full, gradients at sampled elements of every
// tensor by central differences. Shapes: channel counts that fill a block partly, exactly and more than once; images
// that are not square; one pixel.
#include <algorithm>
#include <functional>

#include "core/random.h"
#include "nn/network.h"
#include "tests/nn/reference_network.h"
#include "tests/nn/test_backend.h"
#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

std::vector<double> widen(std::span<const float> v) { return {v.begin(), v.end()}; }

void compare(Graph graph, int n, Mode mode, const std::string& what, int threads = 2) {
  INFO(what << ", batch " << n << ", " << name_of(mode));
  QCFACE_BACKEND(backend, threads);
  Network network(graph, *backend);
  network.enable_input_gradient();
  ParameterStore& store = network.parameters();
  test::ReferenceRun reference{graph, n, mode == Mode::kTrain, {}, {}, {}};
  std::uint32_t stream = 10;
  for (std::size_t i = 0; i < store.tensors().size(); ++i) {
    const TensorSpec& spec = store.tensors()[i];
    const bool positive =
        spec.name.ends_with("running_var") || (spec.shape.size() == 1 && spec.name.ends_with("weight"));
    const std::vector<float> v =
        test::tensor(21, ++stream, spec.elements(), positive ? 1 : 0, spec.shape.size() > 1 ? 0.5 : 0.25);
    store.copy_in(i, v);
    reference.tensors.push_back(widen(v));
  }
  const Shape in = graph.nodes().front().shape;
  const std::vector<float> images = test::tensor(21, 1, static_cast<std::size_t>(n) * in.elements(), 0.5, 1);
  for (const Node& node : graph.nodes()) {
    if (node.kind != NodeKind::kDropout) continue;
    for (int i = 0; i < n * node.shape.channels; ++i)
      reference.keep.push_back(test::hash(21, 4, static_cast<std::uint32_t>(i)) % 4 != 0);
  }
  DropoutKey key;
  key.keep = reference.keep;
  test::poison_gradients(store);

  const std::vector<std::vector<double>> start = reference.tensors;
  const std::vector<double> expected = reference.forward(widen(images));
  const std::vector<std::vector<double>> buffers_after = reference.tensors;
  const auto output = mode == Mode::kTrain    ? network.forward_train(images, n, key)
                      : mode == Mode::kFrozen ? network.forward_frozen(images, n)
                                              : network.forward_eval(images, n);
  REQUIRE(output.size() == expected.size());
  double largest = 1;
  for (const double v : expected) largest = std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("output " << i << ": " << output[i] << ", expected " << expected[i]);
    REQUIRE(std::fabs(static_cast<double>(output[i]) - expected[i]) <= 5e-6 * largest);
  }
  for (std::size_t t = 0; t < store.tensors().size(); ++t) {
    if (store.tensors()[t].kind != TensorKind::kBuffer) continue;
    const std::vector<float> after = store.values(store.tensors()[t].name);
    for (std::size_t i = 0; i < after.size(); ++i) {
      REQUIRE(std::fabs(static_cast<double>(after[i]) - buffers_after[t][i]) <=
              2e-6 * (1 + std::fabs(buffers_after[t][i])));
    }
  }
  if (mode == Mode::kEval) return;

  const std::vector<float> probe = test::tensor(21, 2, expected.size(), 0, 1);
  std::vector<float> d_images(images.size());
  network.backward(probe, d_images);
  std::vector<double> point = widen(images);
  const auto loss = [&] {
    const std::vector<std::vector<double>> kept = reference.tensors;
    const std::vector<double> y = reference.forward(point);
    reference.tensors = kept;  // running statistics of a probe do not count
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(probe[i]);
    return sum;
  };
  reference.tensors = start;
  RandomStream random(22, RandomPurpose::kTest);
  const auto check = [&](const std::string& name, std::vector<double>& values,
                         std::span<const float> gradient) {
    double scale = 0.1;
    for (const float g : gradient) scale = std::max(scale, std::fabs(static_cast<double>(g)));
    const std::size_t samples = std::min<std::size_t>(gradient.size(), 12);
    for (std::size_t s = 0; s < samples; ++s) {
      const std::size_t i = samples == gradient.size() ? s : random.below(gradient.size());
      const double kept = values[i], step = 1e-5;
      values[i] = kept + step;
      const double up = loss();
      values[i] = kept - step;
      const double down = loss();
      values[i] = kept;
      INFO("gradient of " << name << " at " << i << ": " << gradient[i] << ", differences "
                          << (up - down) / (2 * step));
      REQUIRE(std::fabs(static_cast<double>(gradient[i]) - (up - down) / (2 * step)) <= 3e-5 * scale);
    }
  };
  check("the images", point, d_images);
  for (std::size_t t = 0; t < store.tensors().size(); ++t) {
    if (store.tensors()[t].kind == TensorKind::kBuffer) continue;
    check(store.tensors()[t].name, reference.tensors[t],
          store.values(store.tensors()[t].name, TensorRole::kGradient));
  }
}

void compare_all(const std::function<Graph()>& make, int n, const std::string& what) {
  for (const Mode mode : {Mode::kTrain, Mode::kFrozen, Mode::kEval}) compare(make(), n, mode, what);
}

constexpr float kEps = 2e-5f, kMomentum = 0.9f;

}  // namespace

TEST_CASE("layers: convolutions of both kernels and strides") {
  for (const int channels : {3, 8, 20}) {
    for (const int kernel : {1, 3}) {
      for (const int stride : {1, 2}) {
        compare_all(
            [&] {
              Graph graph;
              graph.set_output(
                  graph.conv("conv", graph.input({channels, 7, 5}), 9, kernel, stride, kernel / 2));
              return graph;
            },
            2,
            "conv of " + std::to_string(channels) + " channels, kernel " + std::to_string(kernel) +
                ", stride " + std::to_string(stride));
      }
    }
  }
}

TEST_CASE("layers: batch norm over images and vectors") {
  for (const int channels : {1, 8, 37, 64}) {  // 64: enough blocks for the other division of work
    for (const int n : {2, 5}) {
      compare_all(
          [&] {
            Graph graph;
            graph.set_output(graph.batch_norm("bn", graph.input({channels, 6, 5}), kEps, kMomentum));
            return graph;
          },
          n, "batch norm of " + std::to_string(channels));
    }
  }
  compare_all(
      [] {
        Graph graph;
        int x = graph.fully_connected("fc", graph.input({2, 3, 3}), 11);
        graph.set_output(graph.batch_norm("bn", x, kEps, kMomentum));
        return graph;
      },
      4, "batch norm of vectors");
}

TEST_CASE("layers: a plane longer than a run of single-precision sums") {
  compare(
      [] {
        Graph graph;
        int x = graph.batch_norm("bn", graph.input({2, 23, 17}), kEps, kMomentum);
        graph.set_output(graph.prelu("prelu", x));
        return graph;
      }(),
      3, Mode::kTrain, "batch norm and PReLU");
}

TEST_CASE("layers: PReLU, addition and dropout on their own") {
  compare_all(
      [] {
        Graph graph;
        const int x = graph.prelu("prelu", graph.input({5, 4, 3}));
        graph.set_output(graph.add("twice", x, x));
        return graph;
      },
      2, "PReLU and addition to itself");
  compare_all(
      [] {
        Graph graph;
        const int x = graph.conv("conv", graph.input({3, 4, 4}), 10, 3, 1, 1);
        graph.set_output(graph.dropout("dropout", x, 0.25));
        return graph;
      },
      3, "dropout of images");
}

TEST_CASE("layers: a value with several readers adds up its gradients") {
  compare_all(
      [] {
        Graph graph;
        const int x = graph.conv("stem", graph.input({3, 6, 6}), 8, 3, 1, 1);
        const int a = graph.conv("left", x, 8, 3, 1, 1), b = graph.conv("right", x, 8, 1, 1, 0);
        const int c = graph.batch_norm("norm", x, kEps, kMomentum);
        graph.set_output(graph.add("sum2", graph.add("sum1", a, b), graph.add("sum0", c, x)));
        return graph;
      },
      2, "fan-out");
}

TEST_CASE("layers: dropout before the fully connected layer, width past a block") {
  compare_all(
      [] {
        Graph graph;
        int x = graph.batch_norm("bn", graph.input({9, 3, 2}), kEps, kMomentum);
        x = graph.dropout("dropout", x, 0.25);
        x = graph.fully_connected("fc", x, 13);
        graph.set_output(graph.batch_norm("features", x, kEps, kMomentum));
        return graph;
      },
      5, "head");
}

TEST_CASE("layers: statistics keep their precision where the mean is large") {
  // Values 1000 + noise of 1: a sum of squares in float would lose the variance.
  QCFACE_BACKEND(backend, 1);
  Graph graph;
  graph.set_output(graph.batch_norm("bn", graph.input({8, 40, 40}), kEps, kMomentum));
  Network network(graph, *backend);
  network.parameters().initialise(1);
  const std::vector<float> images = test::tensor(3, 1, 2 * 8 * 1600, 1000, 1);
  const auto output = network.forward_train(images, 2);
  test::ReferenceRun reference{graph, 2, true, {}, {}, {}};
  for (const TensorSpec& spec : network.parameters().tensors()) {
    reference.tensors.emplace_back(spec.elements(),
                                   spec.name.ends_with("weight") || spec.name.ends_with("var") ? 1.0 : 0.0);
  }
  const std::vector<double> expected = reference.forward(widen(images));
  // Rounding of a x + b alone costs 1000 / sigma units; the statistics must not add to that.
  for (std::size_t i = 0; i < expected.size(); ++i)
    REQUIRE(std::fabs(static_cast<double>(output[i]) - expected[i]) <= 3e-4);
  const std::vector<float> variance = network.parameters().values("bn.running_var");
  for (std::size_t c = 0; c < 8; ++c)
    REQUIRE(std::fabs(static_cast<double>(variance[c]) - reference.tensors[3][c]) <= 1e-6);
}
