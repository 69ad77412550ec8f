// Whole backbones against the golden file: outputs, stages, every gradient, running statistics. "heavy": some seconds
// each, many times that under a sanitizer.
#include <algorithm>
#include <map>

#include "bench/worse.h"
#include "nn/optimiser.h"
#include "tests/nn/golden_iresnet.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

// Two float32 implementations that sum in different orders miss the float64 result by amounts of the same kind; the
// file states those of one machine. Seen on an AVX2 machine: outputs at 2 to 2.7 times that here, 3.5 times for
// PyTorch 2.15. Gradients also jump where a PReLU input near 0 falls on the other side, which does not scale with
// rounding: worst tensor 1.2e-3 here and 2.8e-3 for PyTorch 2.15 (iresnet50), in whole tensors, not in elements.
constexpr double kFactor = 8;
constexpr double kGradientFactor = 10;
constexpr double kKinks = 5e-3;

void check_stage(const std::string& name, std::span<const float> v, const nlohmann::json& golden,
                 double relative) {
  INFO("stage " << name);
  double sum = 0, abs = 0;
  for (const float x : v) {
    sum += static_cast<double>(x);
    abs += std::fabs(static_cast<double>(x));
  }
  const double mean = sum / static_cast<double>(v.size());
  double square = 0;
  for (const float x : v) square += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
  const double std_dev = golden.at("std").get<double>(), allowed = relative * std_dev;
  REQUIRE(std::fabs(mean - golden.at("mean").get<double>()) <= allowed);
  REQUIRE(std::fabs(std::sqrt(square / static_cast<double>(v.size())) - std_dev) <= allowed);
  REQUIRE(std::fabs(abs - golden.at("abs").get<double>()) <= allowed * static_cast<double>(v.size()));
  for (std::size_t i = 0; i < 8; ++i) {
    REQUIRE(std::fabs(static_cast<double>(v[i]) - golden.at("first")[i].get<double>()) <= 2 * allowed);
  }
}

std::map<std::string, std::string> stage_layers(const IResNetConfig& config) {
  std::map<std::string, std::string> names{{"bn1+prelu", "stem"}, {"bn2", "bn2"}, {"fc", "fc"}};
  for (int layer = 1; layer <= 4; ++layer) {
    const std::string block = "layer" + std::to_string(layer) + "." +
                              std::to_string(config.blocks[static_cast<std::size_t>(layer - 1)] - 1) + ".";
    names[block + "bn3+" + block + "add"] = "layer" + std::to_string(layer);
  }
  return names;
}

void check_run(const std::string& arch, const std::string& mode, bool drop) {
  const auto& golden = test::IResNetGolden::get();
  const auto seed = golden.document.at("seed").get<std::uint32_t>();
  nlohmann::json run;
  for (const auto& r : golden.document.at("runs")) {
    if (r.at("arch") == arch && r.at("mode") == mode && r.at("drop") == drop && r.at("dtype") == "float64")
      run = r;
  }
  REQUIRE(!run.is_null());
  const int n = run.at("N").get<int>();
  const IResNetConfig config = iresnet_config(backbone(arch).name);
  IResNetConfig used = config;
  if (!drop) used.dropout = 0;
  QCFACE_BACKEND(backend);
  Network network(iresnet_graph(used), *backend);
  network.enable_input_gradient();
  ParameterStore& store = network.parameters();
  const auto& tables = golden.document.at("tables");
  REQUIRE(tables.contains(arch));
  test::load_table(store, tables.at(arch), seed);
  // Poison what the run must write.
  test::poison_gradients(store);

  const std::size_t pixels = 3 * 112 * 112, count = static_cast<std::size_t>(n);
  const std::vector<float> images = test::tensor(seed, 1, count * pixels, 0, 1),
                           probe = test::tensor(seed, 2, count * 512, 0, 1);
  std::vector<std::uint8_t> keep;
  if (drop) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n) * 512; ++i)
      keep.push_back(test::hash(seed, 3, i) >= 1717986919u);
  }
  const double output_err = run.at("f32_output_err").get<double>(),
               grad_err = run.at("f32_grad_err").get<double>();
  const double gradient_tolerance = std::max(kGradientFactor * grad_err, kKinks);

  const auto stages = stage_layers(config);
  std::size_t seen = 0;
  network.set_inspector([&](std::string_view layer, bool gradient, std::span<const float> values) {
    const auto stage = stages.find(std::string(layer));
    if (gradient || stage == stages.end()) return;
    ++seen;
    check_stage(stage->second, values, run.at("stages").at(stage->second), kFactor * output_err);
  });
  DropoutKey key;
  key.keep = keep;
  const auto output =
      mode == "train" ? network.forward_train(images, n, key) : network.forward_frozen(images, n);
  REQUIRE(seen == run.at("stages").size());
  network.set_inspector({});

  const std::vector<double> expected = golden.array(run.at("output"));
  REQUIRE(output.size() == expected.size());
  double mean = 0, square = 0, worst = 0, loss = 0;
  for (const double v : expected) mean += v / static_cast<double>(expected.size());
  for (const double v : expected) square += (v - mean) * (v - mean);
  const double std_dev = std::sqrt(square / static_cast<double>(expected.size()));
  for (std::size_t i = 0; i < output.size(); ++i) {
    worst = worse(worst, std::fabs(static_cast<double>(output[i]) - expected[i]));
    loss += static_cast<double>(output[i]) * static_cast<double>(probe[i]);
    REQUIRE(std::fabs(static_cast<double>(output[i]) - expected[i]) <= kFactor * output_err * std_dev);
  }
  INFO("output: worst error " << worst / std_dev << " of the standard deviation, torch float32 "
                              << output_err);
  REQUIRE(std::fabs(loss - run.at("loss").get<double>()) <=
          kFactor * output_err * std_dev * test::norm(probe) * std::sqrt(static_cast<double>(count)));

  std::vector<float> d_images(images.size());
  network.backward(probe, d_images);
  const std::vector<double> grads = golden.array(run.at("grads"));
  double top = 0;
  for (std::size_t i = 0; i < grads.size(); i += 6) top = std::max(top, grads[i]);
  std::size_t row = 0;
  double worst_gradient = 0;
  for (const TensorSpec& spec : store.tensors()) {
    if (spec.kind != TensorKind::kWeight) continue;
    const double* const expect = grads.data() + 6 * row++;
    const std::vector<float> gradient = store.values(spec.name, TensorRole::kGradient);
    const double scale = std::max(expect[0], 1e-3 * top);  // some gradients are 0 in theory
    for (std::size_t i = 0; i < 4 && i < gradient.size(); ++i) {
      worst_gradient =
          worse(worst_gradient, std::fabs(static_cast<double>(gradient[i]) - expect[2 + i]) / scale);
    }
    test::require_short(spec.name, gradient, expect, gradient_tolerance * scale);
  }
  REQUIRE(row * 6 == grads.size());
  const auto input = run.at("grad_input").get<std::vector<double>>();
  test::require_short("images", d_images, input.data(), gradient_tolerance * input[0]);

  if (mode == "train") {
    const std::vector<double> buffers = golden.array(run.at("buffers_after"));
    row = 0;
    for (const TensorSpec& spec : store.tensors()) {
      if (spec.kind != TensorKind::kBuffer) continue;
      const double* const expect = buffers.data() + 6 * row++;
      // A running mean may be near 0; its error is one of values whose spread the running variance tells.
      double scale = expect[0];
      if (spec.name.ends_with("running_mean"))
        scale = std::max(scale, std::sqrt(static_cast<double>(spec.elements())));
      test::require_short(spec.name, store.values(spec.name), expect, kFactor * output_err * scale);
    }
    REQUIRE(row * 6 == buffers.size());
  }
  std::printf("%s %s%s: output error %.1e of std (torch float32 %.1e), gradient %.1e (torch %.1e)\n",
              arch.c_str(), mode.c_str(), drop ? " with dropout" : "", worst / std_dev, output_err,
              worst_gradient, grad_err);
}

}  // namespace

TEST_CASE("golden iresnet18 evaluation", "[heavy]") { check_run("iresnet18", "eval", false); }
TEST_CASE("golden iresnet18 training without dropout", "[heavy]") { check_run("iresnet18", "train", false); }
TEST_CASE("golden iresnet18 training with a given dropout mask", "[heavy]") {
  check_run("iresnet18", "train", true);
}
TEST_CASE("golden iresnet50 evaluation", "[heavy]") { check_run("iresnet50", "eval", false); }
