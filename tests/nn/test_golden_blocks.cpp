// The four toy blocks of the golden file, every array in full: odd channel counts and image sizes, so that partly
// filled channel blocks, padding and both strides are covered.
#include "tests/nn/golden_iresnet.h"

#include <algorithm>

using namespace qcface;
using namespace qcface::nn;

namespace {

void require_close(const std::string& name, std::span<const float> ours, const std::vector<double>& golden,
                   double relative) {
  REQUIRE(ours.size() == golden.size());
  double scale = 0;
  for (const double v : golden) scale = std::max(scale, std::fabs(v));
  for (std::size_t i = 0; i < ours.size(); ++i) {
    INFO(name << " element " << i << ": " << ours[i] << ", golden " << golden[i]);
    REQUIRE(std::fabs(static_cast<double>(ours[i]) - golden[i]) <= relative * std::max(scale, 1e-1));
  }
}

void check_block(std::size_t which) {
  const auto& golden = test::IResNetGolden::get();
  const auto& block = golden.document.at("blocks").at(which);
  const auto seed = block.at("seed").get<std::uint32_t>();
  const int inp = block.at("inp").get<int>(), out = block.at("out").get<int>(),
            stride = block.at("stride").get<int>();
  const int hw = block.at("hw").get<int>(), n = block.at("N").get<int>();
  const bool train = block.at("train").get<bool>();
  Graph graph;
  const int x = graph.input({inp, hw, hw});
  graph.set_output(iresnet_block(graph, "", x, out, stride, stride != 1 || inp != out, 2e-5f, 0.9f));
  QCFACE_BACKEND(backend);
  Network network(std::move(graph), *backend);
  network.enable_input_gradient();
  test::load_table(network.parameters(), block.at("params"), seed);
  test::poison_gradients(network.parameters());
  const std::vector<float> images = test::tensor(seed, 1, static_cast<std::size_t>(n * inp * hw * hw), 0, 1);
  const auto output = train ? network.forward_train(images, n) : network.forward_frozen(images, n);
  require_close("output", output, golden.array(block.at("output")), 2e-6);
  std::vector<float> d_images(images.size());
  network.backward(test::tensor(seed, 2, output.size(), 0, 1), d_images);
  require_close("grad_input", d_images, golden.array(block.at("grad_input")), 5e-6);
  const auto of_kind = [&](TensorKind kind) {
    const std::vector<TensorSpec>& tensors = network.parameters().tensors();
    return static_cast<std::size_t>(
        std::count_if(tensors.begin(), tensors.end(), [&](const TensorSpec& t) { return t.kind == kind; }));
  };
  REQUIRE(block.at("grads").size() == of_kind(TensorKind::kWeight));
  for (const auto& [name, entry] : block.at("grads").items()) {
    require_close(name, network.parameters().values(name, TensorRole::kGradient), golden.array(entry), 5e-6);
  }
  if (train) {
    REQUIRE(block.at("buffers_after").size() == of_kind(TensorKind::kBuffer));
    for (const auto& [name, entry] : block.at("buffers_after").items()) {
      require_close(name, network.parameters().values(name), golden.array(entry), 1e-6);
    }
  }
}

}  // namespace

TEST_CASE("golden block, training, identity shortcut") { check_block(0); }
TEST_CASE("golden block, training, stride 2 with downsample") { check_block(1); }
TEST_CASE("golden block, running statistics, stride 2 with downsample") { check_block(2); }
TEST_CASE("golden block, running statistics, identity shortcut") { check_block(3); }
