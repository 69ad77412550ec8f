// Batch norm over the samples of several ranks, which here are threads of this process, against one rank that has the whole
// batch. Arrays of a device go through the host: the ranks use the same one.
#include <algorithm>
#include <functional>
#include <string>

#include "core/comm/communicator.h"
#include "nn/backbones/iresnet.h"
#include "nn/device_communicator.h"
#include "tests/nn/test_backend.h"
#include "tests/support/distance.h"
#include "tests/support/hash_generator.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

constexpr int kSize = 16, kWidth = 24, kBatch = 7;
constexpr std::size_t kImage = std::size_t{3} * kSize * kSize;

Graph tiny() {
  IResNetConfig config = iresnet_config("mini", kWidth);
  config.widths = {8, 16, 16, 24};
  config.blocks = {2, 1, 1, 1};
  config.image_size = kSize;
  config.dropout = 0.4;
  return iresnet_graph(config);
}

struct Step {
  std::vector<float> output, d_images, gradients, statistics;
};

/// Forward and backward of a rank's rows of the batch. No assertions: Catch2's belong to one thread.
Step step_of(Backend& backend, Share rows, bool linear) {
  Network network(tiny(), backend);
  network.enable_input_gradient();
  ParameterStore& store = network.parameters();
  store.initialise(3);
  for (std::size_t i = 0; linear && i < store.tensors().size(); ++i) {
    if (store.tensors()[i].init == Init::kQuarter)
      store.copy_in(i, std::vector<float>(store.tensors()[i].elements(), 1.0f));
  }
  test::poison_gradients(store);
  const std::vector<float> images = test::tensor(41, 1, kBatch * kImage, 0, 1),
                           d = test::tensor(41, 2, std::size_t{kBatch} * kWidth, 0, 1);
  const auto part = [&](const std::vector<float>& all, std::size_t width) {
    return std::span(all).subspan(static_cast<std::size_t>(rows.first) * width,
                                  static_cast<std::size_t>(rows.count) * width);
  };
  Step step;
  const std::span<const float> output =
      network.forward_train(part(images, kImage), static_cast<int>(rows.count), {9, 2, 5, rows.first});
  step.output.assign(output.begin(), output.end());
  step.d_images.resize(static_cast<std::size_t>(rows.count) * kImage);
  network.backward(part(d, kWidth), step.d_images);
  for (const TensorSpec& spec : store.tensors()) {
    const bool weight = spec.kind == TensorKind::kWeight;
    const std::vector<float> values =
        store.values(spec.name, weight ? TensorRole::kGradient : TensorRole::kValue);
    std::vector<float>& to = weight ? step.gradients : step.statistics;
    to.insert(to.end(), values.begin(), values.end());
  }
  return step;
}

using MakeBackend = std::function<std::unique_ptr<Backend>()>;

std::vector<Step> steps_of(int ranks, const MakeBackend& make, bool shared, bool linear) {
  std::vector<Step> steps(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& host) {
    const std::unique_ptr<Backend> backend = make();
    std::unique_ptr<Communicator> device;
    if (!backend->on_host() && ranks > 1) device = make_device_communicator(host, {});
    if (shared && ranks > 1) backend->share_batch_norm(device ? *device : host);
    steps[static_cast<std::size_t>(host.rank())] =
        step_of(*backend, share_of(kBatch, host.rank(), ranks), linear);
  });
  return steps;
}

/// Outputs of all rows; the sum of the gradients; rank 0's statistics.
Step together(const std::vector<Step>& steps) {
  Step all;
  for (const Step& step : steps) {
    all.output.insert(all.output.end(), step.output.begin(), step.output.end());
    all.d_images.insert(all.d_images.end(), step.d_images.begin(), step.d_images.end());
    all.gradients.resize(step.gradients.size());
    for (std::size_t i = 0; i < step.gradients.size(); ++i) all.gradients[i] += step.gradients[i];
  }
  all.statistics = steps.front().statistics;
  return all;
}

/// unit: half a unit in the last place of 1 of what values are kept in.
void check_ranks(const MakeBackend& make, double unit) {
  for (const bool linear : {true, false}) {  // without kinks, and with slopes
    const Step one = together(steps_of(1, make, true, linear));
    for (const int ranks : {2, 3}) {  // 3 and 4 rows; 2, 2 and 3
      const std::vector<Step> steps = steps_of(ranks, make, true, linear);
      const Step all = together(steps);
      const double output = test::distance(all.output, one.output),
                   d_images = test::distance(all.d_images, one.d_images),
                   gradients = test::distance(all.gradients, one.gradients),
                   statistics = test::distance(all.statistics, one.statistics);
      INFO(ranks << " ranks" << (linear ? ", linear" : "") << ": output " << output << ", statistics "
                 << statistics << ", gradients " << gradients << ", of images " << d_images);
      CHECK(output <= 16 * unit);
      CHECK(statistics <= 4 * unit);
      // A PReLU's input near 0 may fall on the other side.
      CHECK(gradients <= (linear ? 40 * unit : 5 * std::sqrt(unit)));
      CHECK(d_images <= (linear ? 40 * unit : 5 * std::sqrt(unit)));
      for (const Step& step : steps) REQUIRE(step.statistics == steps.front().statistics);
      if (linear) continue;
      // The same bits again; and on their own the ranks have other statistics.
      const std::vector<Step> again = steps_of(ranks, make, true, linear);
      for (std::size_t r = 0; r < steps.size(); ++r) {
        REQUIRE(again[r].output == steps[r].output);
        REQUIRE(again[r].gradients == steps[r].gradients);
        REQUIRE(again[r].d_images == steps[r].d_images);
        REQUIRE(again[r].statistics == steps[r].statistics);
      }
      const Step apart = together(steps_of(ranks, make, false, linear));
      REQUIRE(test::distance(apart.output, one.output) > 0.1);
      REQUIRE(test::distance(apart.gradients, one.gradients) > 0.1);
    }
  }
}

}  // namespace

TEST_CASE("shared batch norm: ranks compute what one rank does with the whole batch") {
  QCFACE_BACKEND(backend);
  check_ranks([] { return test::make_backend(1); }, 0x1p-24);
  if (backend->on_host()) return;
  for (const Precision precision : {Precision::kBf16, Precision::kFp16}) {
    INFO(name_of(precision));
    check_ranks(
        [&] {
          return make_cuda_backend({0, precision, false});
        },
        precision == Precision::kBf16 ? 0x1p-9 : 0x1p-12);
  }
}
