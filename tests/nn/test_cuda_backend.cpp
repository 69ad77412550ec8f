// What only the CUDA backend has: 16-bit precisions, padded images, the working copy of the weights, the device path,
// statistics handed on between layers. Emulated or on a GPU, whatever the program was built for.
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "core/error.h"
#include "nn/backbones/iresnet.h"
#include "nn/cuda/cuda_backend.h"
#include "nn/cuda/image.h"
#include "nn/cuda/statistics_source.h"
#include "nn/lower.h"
#include "tests/nn/pictures.h"
#include "tests/nn/reference_network.h"
#include "tests/nn/test_backend.h"
#include "tests/support/device_buffer.h"
#include "tests/support/distance.h"
#include "tests/support/hash_generator.h"

using namespace qcface;
using namespace qcface::nn;
using test::DeviceBuffer;

namespace {

constexpr int kSize = 16, kWidth = 24, kBatch = 6;

Graph tiny(double dropout = 0) {
  IResNetConfig config = iresnet_config("mini", kWidth);
  config.widths = {8, 16, 16, 24};
  config.blocks = {2, 1, 1, 1};
  config.image_size = kSize;
  config.dropout = dropout;
  return iresnet_graph(config);
}

std::vector<float> pictures(int n = kBatch) {
  return test::tensor(41, 1, static_cast<std::size_t>(n) * 3 * kSize * kSize, 0, 1);
}
std::vector<float> copy(std::span<const float> v) { return {v.begin(), v.end()}; }

struct StepResult {
  std::vector<float> output, buffers, d_images;
  std::map<std::string, std::vector<float>> gradients;
};

/// linear: PReLU slopes of 1, so that no rounding can make a value fall on the other side of a kink.
StepResult one_step(Backend& backend, double dropout = 0, bool linear = false) {
  Network network(tiny(dropout), backend);
  network.enable_input_gradient();
  ParameterStore& store = network.parameters();
  store.initialise(3);
  for (std::size_t i = 0; linear && i < store.tensors().size(); ++i) {
    if (store.tensors()[i].init == Init::kQuarter)
      store.copy_in(i, std::vector<float>(store.tensors()[i].elements(), 1.0f));
  }
  test::poison_gradients(store);
  StepResult result;
  result.output = copy(network.forward_train(pictures(), kBatch, {9, 2, 5}));
  result.d_images.resize(pictures().size());
  network.backward(test::tensor(41, 2, result.output.size(), 0, 1), result.d_images);
  for (const TensorSpec& spec : store.tensors()) {
    if (spec.kind == TensorKind::kWeight) {
      result.gradients[spec.name] = store.values(spec.name, TensorRole::kGradient);
    } else {
      const std::vector<float> v = store.values(spec.name);
      result.buffers.insert(result.buffers.end(), v.begin(), v.end());
    }
  }
  return result;
}

/// Error of all gradients together, over their common length.
double gradient_error(const StepResult& ours, const StepResult& reference) {
  std::vector<float> a, b;
  for (const auto& [name, values] : reference.gradients) {
    const std::vector<float>& mine = ours.gradients.at(name);
    a.insert(a.end(), mine.begin(), mine.end());
    b.insert(b.end(), values.begin(), values.end());
  }
  return test::distance(a, b);
}

#define QCFACE_CUDA(name, ...)                                                            \
  if (!test::no_backend_reason().empty()) QCFACE_SKIP(test::no_backend_reason().c_str()); \
  const std::unique_ptr<Backend> name = make_cuda_backend(CudaOptions{__VA_ARGS__})

}  // namespace

TEST_CASE("cuda: a training step agrees with the CPU backend's, dropout included") {
  QCFACE_CUDA(backend);
  const auto cpu = make_cpu_backend(1);
  for (const double dropout : {0.0, 0.4}) {
    const StepResult ours = one_step(*backend, dropout), reference = one_step(*cpu, dropout);
    REQUIRE(test::distance(ours.output, reference.output) <= 1e-5);
    REQUIRE(test::distance(ours.buffers, reference.buffers) <= 1e-5);
    REQUIRE(test::distance(ours.d_images, reference.d_images) <= 1e-4);
    REQUIRE(gradient_error(ours, reference) <= 1e-4);
  }
}

TEST_CASE("cuda: 16-bit precisions stay within their rounding of fp32") {
  const auto cpu = make_cpu_backend(1);
  const StepResult smooth = one_step(*cpu, 0, true), kinked = one_step(*cpu);
  for (const Precision precision : {Precision::kBf16, Precision::kFp16}) {
    QCFACE_CUDA(backend, 0, precision);
    const double unit = precision == Precision::kBf16 ? 0x1p-9 : 0x1p-12;
    const StepResult linear = one_step(*backend, 0, true), ours = one_step(*backend);
    const double output = test::distance(ours.output, kinked.output),
                 linear_gradient = gradient_error(linear, smooth), gradient = gradient_error(ours, kinked);
    std::printf("%s: output %.1e, gradients %.1e (%.1e with kinks), unit roundoff %.1e\n",
                backend->name().c_str(), output, linear_gradient, gradient, unit);
    REQUIRE(output > 0);
    REQUIRE(output <= 16 * unit);
    REQUIRE(test::distance(ours.buffers, kinked.buffers) <= 4 * unit);
    REQUIRE(linear_gradient <= 40 * unit);
    // PReLU inputs near 0 fall on the other side: as many as the error is wide, each moving its part by a fixed amount.
    REQUIRE(gradient <= 5 * std::sqrt(unit));
    // The same bits again.
    const StepResult again = one_step(*backend);
    REQUIRE(again.output == ours.output);
    REQUIRE(again.gradients == ours.gradients);
    REQUIRE(again.d_images == ours.d_images);
  }
}

TEST_CASE("cuda: 16-bit outputs are no worse than layer by layer rounding") {
  for (const Precision precision : {Precision::kBf16, Precision::kFp16}) {
    QCFACE_CUDA(backend, 0, precision);
    const int bits = precision == Precision::kBf16 ? 8 : 11;  // of significance
    const Graph graph = tiny();
    Network network(graph, *backend);
    ParameterStore& store = network.parameters();
    store.initialise(3);
    test::ReferenceRun exact{graph, kBatch, true, {}, {}, {}}, naive = exact;
    naive.round = [bits](double v) {
      int exponent = 0;
      const double fraction = std::frexp(v, &exponent);
      return std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - bits);
    };
    for (const TensorSpec& spec : store.tensors()) {
      const std::vector<float> v = store.values(spec.name);
      exact.tensors.emplace_back(v.begin(), v.end());
      naive.tensors.emplace_back(v.begin(), v.end());
      if (spec.shape.size() > 1)
        for (double& w : naive.tensors.back()) w = naive.round(w);
    }
    const std::vector<float> images = pictures();
    const std::vector<double> wide(images.begin(), images.end());
    const std::vector<double> truth = exact.forward(wide), rounded = naive.forward(wide);
    const std::vector<float> fp32_truth(truth.begin(), truth.end()),
        naive_output(rounded.begin(), rounded.end());
    const double ours = test::distance(network.forward_train(images, kBatch), fp32_truth),
                 theirs = test::distance(naive_output, fp32_truth);
    INFO(backend->name() << ": " << ours << ", rounding after every node " << theirs);
    REQUIRE(theirs > 0);
    REQUIRE(ours <= 1.5 * theirs);
  }
}

TEST_CASE("cuda: batch norms find what the layer before has left of its statistics") {
  using nn::cuda::Statistics;
  for (const Precision precision : {Precision::kFp32, Precision::kFp16}) {
    QCFACE_CUDA(backend, 0, precision);
    const auto& cuda = dynamic_cast<const nn::cuda::CudaBackend&>(*backend);
    const LoweredGraph graph = lower(tiny());
    int after_convolutions = 0, after_pointwise = 0;
    for (const Layer& layer : graph.layers) {
      if (!layer.batch_norm) continue;
      for (const Mode mode : {Mode::kEval, Mode::kFrozen})
        REQUIRE(nn::cuda::statistics_found_by(cuda, graph, layer, kBatch, mode) == Statistics::kNone);
      const Statistics found = nn::cuda::statistics_found_by(cuda, graph, layer, kBatch, Mode::kTrain);
      for (const Layer& writer : graph.layers) {
        if (writer.y != layer.x) continue;
        INFO(writer.name << " before " << layer.name);
        if (writer.kind == LayerKind::kPointwise) {
          REQUIRE(found == Statistics::kPartials);
          ++after_pointwise;
        } else if (writer.kind == LayerKind::kConv) {
          const auto shape = nn::cuda::convolution_shape(graph, writer, cuda.type(), kBatch);
          const bool sums = cuda.convolutions().find(shape)->gives_sums();
          REQUIRE(found == (sums ? Statistics::kSums : Statistics::kNone));
#ifdef QCF_EMULATE
          REQUIRE(sums == (precision == Precision::kFp16));
#endif
          ++after_convolutions;
        } else {
          REQUIRE(found == Statistics::kNone);
        }
      }
    }
    REQUIRE(after_convolutions == 15);  // the stem, two in each of five blocks, four shortcuts
    REQUIRE(after_pointwise == 6);      // the first of each block, and the last
  }
}

TEST_CASE("cuda: the device path gives the bits of the host path") {
  for (const Precision precision : {Precision::kFp32, Precision::kFp16}) {
    QCFACE_CUDA(backend, 0, precision);
    auto& cuda = dynamic_cast<nn::cuda::CudaBackend&>(*backend);
    const test::Pictures noise(kBatch, kSize);
    const std::vector<float> d = test::tensor(41, 2, static_cast<std::size_t>(kBatch) * kWidth, 0, 1);
    Network network(tiny(0.4), *backend);
    ParameterStore& store = network.parameters();
    store.initialise(3);
    const DropoutKey key{9, 2, 5};
    const std::vector<float> output = copy(network.forward_train(noise.canonical, kBatch, key));
    network.backward(d);
    const std::vector<float> gradients = test::read(store, store.gradients());

    store.initialise(3);
    const DeviceBuffer<std::uint8_t> device_pixels(noise.pixels);
    const DeviceBuffer<float> device_table(noise.table), device_d(d), scale(std::vector<float>{4.0f});
    DeviceBuffer<float> rows(output.size());
    const DeviceBuffer<DropoutRecord> record(std::vector<DropoutRecord>{key.drawn});
    DropoutKey device_key;
    device_key.record = record.data();
    DeviceImages images;
    images.pixels = device_pixels.data();
    images.normalisation = device_table.data();
    network.prepare(kBatch, Mode::kTrain);
    network.forward_device(images, kBatch, Mode::kTrain, device_key, rows.data());
    backend->synchronize();
    REQUIRE(rows.host() == output);
    network.backward_device(device_d.data());
    REQUIRE(test::read(store, store.gradients()) == gradients);

    // A loss scale that is a power of two scales the gradients and nothing else (fp32: exactly).
    store.initialise(3);
    network.forward_device(images, kBatch, Mode::kTrain, device_key, rows.data());
    network.backward_device(device_d.data(), scale.data());
    std::vector<float> scaled = test::read(store, store.gradients());
    for (float& g : scaled) g /= 4;
    if (precision == Precision::kFp32) REQUIRE(scaled == gradients);
    REQUIRE(test::distance(scaled, gradients) <= 1e-2);
    REQUIRE_THROWS_AS(network.backward_device(device_d.data()), Error);  // one backward a forward
    cuda.synchronize();
  }
}

TEST_CASE("cuda: the working copy follows the weights, and the padding of the images' weights stays 0") {
  for (const Precision precision : {Precision::kBf16, Precision::kFp16}) {
    QCFACE_CUDA(backend, 0, precision);
    const auto& cuda = dynamic_cast<const nn::cuda::CudaBackend&>(*backend);
    Network network(tiny(), *backend);
    ParameterStore& store = network.parameters();
    store.initialise(3);
    const auto check = [&] {
      const std::vector<float> weights = test::read(store, store.weights());
      std::vector<std::uint16_t> working(weights.size()), expected(weights.size());
      backend->copy_to_host(working.data(), store.working(), 2 * working.size());
      const DeviceBuffer<float> device_weights(weights);
      DeviceBuffer<std::uint16_t> rounded(weights.size());
      backend->refresh_working(device_weights.data(), rounded.data(), weights.size());
      expected = rounded.host();
      REQUIRE(working == expected);
      REQUIRE(std::count(working.begin(), working.end(), std::uint16_t{0}) <
              static_cast<int>(working.size() / 2));
      const auto storage = test::read(store, store.storage(store.index_of("conv1.weight")));
      REQUIRE(storage.size() == 8 * 9 * 8);
      for (std::size_t i = 0; i < storage.size(); ++i) REQUIRE((i % 8 < 3 || storage[i] == 0.0f));
    };
    check();
    for (std::uint64_t step = 0; step < 3; ++step) {
      network.forward_train(pictures(), kBatch, {9, 2, step});
      network.backward(test::tensor(41, 2, static_cast<std::size_t>(kBatch) * kWidth, 0, 0.1));
      const std::vector<float> before = test::read(store, store.weights());
      test::update(store, 0.05f, {0.9f, 5e-4f});
      REQUIRE(test::read(store, store.weights()) != before);
      check();
    }
    REQUIRE(cuda.working_bytes() == 2);
  }
}

TEST_CASE("cuda: a GPU that does not exist is refused by number") {
  if (!test::no_backend_reason().empty()) QCFACE_SKIP(test::no_backend_reason().c_str());
  std::string message;
  try {
    make_cuda_backend(CudaOptions{1000});
  } catch (const Error& error) {
    message = error.what();
  }
  REQUIRE(message.find("1000") != std::string::npos);
  REQUIRE(message.find("--gpu_id") != std::string::npos);
}
