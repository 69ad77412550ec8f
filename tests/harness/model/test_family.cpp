// Which program wrote a file, and its tensors under our names (data-formats.md section 5).
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/model/class_rows.h"
#include "harness/model/family.h"
#include "harness/model/model.h"
#include "harness/model/tensor_file.h"
#include "tests/harness/model/tensors.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

using namespace qcface;
using model::Family;
using test::TensorFile;

namespace {

model::ModelFile vector_file(const std::string& name) {
  return model::open_model(test::vectors("pth") / name);
}

std::string refusal(const std::filesystem::path& path) {
  try {
    model::open_model(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the vectors of each family are told by their names and read under ours") {
  const struct {
    const char* file;
    Family family;
    const char* origin;
    double eps;
    bool bgr;
    double mean;
    const char* head;  // its name in the file
  } cases[] = {
      {"qcface_zip.pth", Family::kQcface, "QCFace (names backbone.*)", 2e-5, false, 0.5312, "head.weight"},
      {"qcface_legacy.pth", Family::kQcface, "QCFace (names backbone.*)", 2e-5, false, 0.5312, "head.weight"},
      {"magface_dp.pth", Family::kMagface, "MagFace (names module.features.*)", 2e-5, true, 0,
       "module.fc.weight"},
      {"magface_ddp.pth", Family::kMagface, "MagFace (names features.module.*)", 2e-5, true, 0, nullptr},
      {"insightface_backbone.pth", Family::kInsightface, "InsightFace (names of an iresnet)", 1e-5, false,
       0.5, nullptr},
      {"insightface_checkpoint.pt", Family::kInsightface, "InsightFace (names of an iresnet)", 1e-5, false,
       0.5, "state_dict_softmax_fc.weight"},
      {"lightning_adaface.ckpt", Family::kAdaface, "AdaFace (names model.body.*)", 1e-5, true, 0.5,
       "head.kernel"},
  };
  for (const auto& c : cases) {
    INFO(c.file);
    const model::ModelFile file = vector_file(c.file);
    CHECK(file.family == c.family);
    CHECK(file.origin == c.origin);
    CHECK(file.bn_eps == c.eps);
    CHECK(file.preparation.bgr == c.bgr);
    CHECK(file.preparation.mean[0] == c.mean);
    const TensorView* const head = file.tensors.find("head.weight");
    REQUIRE((head != nullptr) == (c.head != nullptr));
    const TensorSource raw = open_tensors(test::vectors("pth") / c.file);
    if (c.head != nullptr) CHECK(head->data != nullptr);
    if (c.head != nullptr) CHECK(head->to_float() == raw.at(c.head).to_float());
    CHECK(file.classes_are_rows == (std::string(c.file) == "insightface_checkpoint.pt"));
    CHECK(file.tensors.find("backbone.conv1.weight") != nullptr);
    // The last batch norm is called features: one prefix goes, not two.
    if (c.family != Family::kAdaface) CHECK(file.tensors.at("backbone.features.weight").shape.size() == 2);
    CHECK(file.tensors.find("backbone.weight") == nullptr);
  }
}

TEST_CASE("what may not be read of a foreign file is refused under our names too") {
  const model::ModelFile file = vector_file("reject_global_in_state_dict.pth");
  CHECK_THROWS_WITH(file.tensors.find("backbone.y"), test::contains("tensor backbone.y"));
}

TEST_CASE("a family is told without its prefix of several processes, and by a part of its tensors") {
  const test::TemporaryFolder folder;
  const auto origin = [&](const std::string& prefix) {
    TensorFile file;
    file.add_mini(4, test::after(prefix));
    return model::open_model(file.write(folder / "f.safetensors")).origin;
  };
  CHECK(origin("") == "InsightFace (names of an iresnet)");
  CHECK(origin("module.") == "InsightFace (names module.*)");
  CHECK(origin("backbone.") == "QCFace (names backbone.*)");
  CHECK(origin("module.backbone.") == "QCFace (names module.backbone.*)");
  CHECK(origin("features.") == "MagFace (names features.*)");
  CHECK(origin("other.").empty());
  TensorFile part;
  part.add("features.prelu.weight", {16}).add("fc.weight", {4, 9});
  const model::ModelFile opened = model::open_model(part.write(folder / "part.safetensors"));
  CHECK(opened.family == Family::kMagface);
  CHECK(opened.tensors.find("head.weight") != nullptr);
  TensorFile other;  // another residual network
  other.add("conv1.weight", {64, 3, 7, 7})
      .add("layer1.0.conv1.weight", {64, 64, 3, 3})
      .add("fc.bias", {1000});
  CHECK_FALSE(model::open_model(other.write(folder / "other.safetensors")).known());
}

TEST_CASE("metadata of this program wins over names, --family over both") {
  const test::TemporaryFolder folder;
  TensorFile file;
  file.add_mini(4, test::after(""));
  const char* const words =
      R"({"mean":[0.1,0.2,0.3],"std":[1,1,1],"bgr":true,"swap-rb":true,"bn-eps":0.001,"family":"magface"})";
  const auto path = file.write(folder / "f.safetensors", {{model::kExportKey, words}});
  const model::ModelFile own = model::open_model(path);
  CHECK(own.describe() ==
        "of this program, from MagFace (names of an iresnet): batch-norm eps 0.001, BGR pixels, mean (0.1, "
        "0.2, 0.3), "
        "std (1, 1, 1)");
  const model::ModelFile forced = model::open_model(path, Family::kInsightface);
  CHECK(forced.bn_eps == 1e-5);
  CHECK(forced.preparation.mean[0] == 0.5);
  CHECK(forced.preparation.swap_rb);  // of the pictures, not of the weights
  // A run of a version without the option.
  CHECK(model::open_model(file.write(folder / "f.safetensors", {{"config", "{}"}})).bn_eps == 2e-5);
  for (const char* damaged :
       {"{", "[]", R"({"mean":1})", R"({"bn-eps":"x"})", R"({"bn-eps":-1})", R"({"bn-eps":2})"}) {
    INFO(damaged);
    CHECK_THAT(refusal(file.write(folder / "f.safetensors", {{"config", damaged}})),
               test::contains("the configuration in its metadata is damaged"));
  }
}

TEST_CASE("AdaFace's network is an IResNet with shortcuts that change nothing") {
  const test::TemporaryFolder folder;
  const auto adaface = [](TensorFile& file, const std::string& prefix) -> TensorFile& {
    const auto norm = [&](const std::string& name, std::int64_t width) {
      for (const char* part : {"weight", "bias", "running_mean", "running_var"})
        file.add(prefix + name + part, {width});
    };
    file.add(prefix + "input_layer.0.weight", {16, 3, 3, 3}).add(prefix + "input_layer.2.weight", {16});
    norm("input_layer.1.", 16);
    std::int64_t in = 16;
    for (int n = 0; n < 4; ++n) {
      const std::int64_t out = std::int64_t{16} << n;
      const std::string block = "body." + std::to_string(n) + ".";
      norm(block + "res_layer.0.", in);
      file.add(prefix + block + "res_layer.1.weight", {out, in, 3, 3});
      norm(block + "res_layer.2.", out);
      file.add(prefix + block + "res_layer.3.weight", {out})
          .add(prefix + block + "res_layer.4.weight", {out, out, 3, 3});
      norm(block + "res_layer.5.", out);
      if (n > 0) file.add(prefix + block + "shortcut_layer.0.weight", {out, in, 1, 1});
      if (n > 0) norm(block + "shortcut_layer.1.", out);
      in = out;
    }
    norm("output_layer.0.", 128);
    file.add(prefix + "output_layer.3.weight", {4, 6272}).add(prefix + "output_layer.3.bias", {4});
    return file.add(prefix + "output_layer.4.running_mean", {4})
        .add(prefix + "output_layer.4.running_var", {4});
  };
  for (const std::string prefix : {"model.", ""}) {
    TensorFile file;
    adaface(file, prefix).add("head.kernel", {4, 7}).add("head.t", {1});
    file.add("head.batch_mean", {1}, 20).add("head.batch_std", {1}, 3);
    const model::ModelFile opened = model::open_model(file.write(folder / "a.safetensors"));
    CHECK(opened.family == Family::kAdaface);
    const auto [backbone, width] = model::backbone_of(opened.tensors);
    CHECK(std::string(backbone.name) == "mini");
    CHECK(width == 4);
    const nn::Graph graph = backbone.build({.embed_dim = width});
    const model::BackboneNames names = model::compare_names(opened.tensors, graph.tensors());
    CHECK(names.missing.empty());
    CHECK(names.unexpected.empty());
    const auto views = model::backbone_views(opened.tensors, graph.tensors());
    CHECK(opened.tensors.at("backbone.layer3.0.downsample.0.weight").shape ==
          std::vector<std::int64_t>{64, 32, 1, 1});
    const std::vector<float> identity = opened.tensors.at("backbone.layer1.0.downsample.0.weight").to_float();
    for (std::size_t i = 0; i < identity.size(); ++i) CHECK(identity[i] == (i % 17 == 0 ? 1.f : 0.f));
    CHECK(opened.tensors.at("backbone.layer1.0.downsample.1.running_var").to_float().front() == 1 - 1e-5f);
    CHECK(opened.tensors.at("backbone.features.weight").to_float() == std::vector<float>(4, 1));
    CHECK(opened.tensors.at("backbone.features.bias").to_float() == std::vector<float>(4, 0));
    CHECK(opened.tensors.at("head.length_stats").to_float() == std::vector<float>{20, 3});
    CHECK(opened.tensors.find("head.t") == nullptr);
    // The eps that the network will really have.
    const model::ModelFile other = model::open_model(folder / "a.safetensors", {}, 1e-3);
    CHECK(other.tensors.at("backbone.layer1.0.downsample.1.running_var").to_float().front() == 1 - 1e-3f);
  }
  TensorFile se;
  adaface(se, "model.").add("model.body.1.res_layer.6.fc1.weight", {2, 32, 1, 1});
  CHECK_THAT(
      refusal(se.write(folder / "se.safetensors")),
      test::contains("model.body.1.res_layer.6.fc1.weight is no part of AdaFace's IR-18, 34, 50 or 101"));
  TensorFile fifth;
  adaface(fifth, "model.").add("model.body.4.res_layer.1.weight", {256, 128, 3, 3});
  fifth.add("model.body.4.shortcut_layer.0.weight", {256, 128, 1, 1});
  CHECK_THAT(refusal(fifth.write(folder / "fifth.safetensors")), test::contains("begins a fifth layer"));
  TensorFile wide;  // 0 bytes, but an identity matrix of 10^16 values
  wide.add("input_layer.0.weight", {0, 3, 3, 3})
      .add("body.0.res_layer.1.weight", {100000000, 100000000, 0, 3});
  CHECK_THAT(refusal(wide.write(folder / "wide.safetensors")), test::contains("expected [C, C, 3, 3]"));
}

TEST_CASE("class weights of as many classes as values are rows in InsightFace's files") {
  const test::TemporaryFolder folder;
  TensorFile file;
  file.add_mini(4, test::after("")).add("state_dict_softmax_fc.weight", {4, 4});
  const model::ModelFile opened = model::open_model(file.write(folder / "f.safetensors"));
  const TensorView& weights = opened.tensors.at("head.weight");
  std::vector<float> rows(16), columns(16);
  model::ClassRows(opened.tensors, weights, 4, 4, opened.classes_are_rows).copy(0, rows);
  model::ClassRows(opened.tensors, weights, 4, 4).copy(0, columns);
  CHECK(rows == weights.to_float());
  CHECK(columns != rows);
  CHECK(columns[1] == rows[4]);
  CHECK_THROWS_WITH(model::ClassRows(opened.tensors, weights, 5, 4),
                    test::contains("expected [D, K] = [4, 5]"));
}

TEST_CASE("class weights in parts are given line by line, whatever is held at a time") {
  const test::TemporaryFolder folder;
  constexpr std::int64_t kWidth = 37, kFirst = 3, kClasses = 1500;  // more than are copied at a time
  TensorFile file;
  file.add("head.weight.rows.3", {kClasses - kFirst, kWidth}).add("head.weight.rows.0", {kFirst, kWidth});
  const TensorSource opened = open_tensors(file.write(folder / "f.safetensors"));
  const auto rows = model::ClassRows::find(opened, "head.weight", kWidth);
  REQUIRE(rows.has_value());
  std::vector<float> values(kClasses * kWidth), expected(values.size());
  rows->copy(0, values);
  model::transpose(values.data(), kClasses, kWidth, kWidth, expected.data(), kClasses);
  REQUIRE(values != expected);
  for (const auto& [block, blocks] : {std::pair{std::int64_t{1}, 13}, {5 * kClasses, 8}, {1 << 20, 1}}) {
    std::vector<float> given;
    int taken = 0;
    rows->stream_columns(
        [&](std::span<float> lines) {
          given.insert(given.end(), lines.begin(), lines.end());
          ++taken;
        },
        block);
    CHECK(given == expected);
    CHECK(taken == blocks);
  }
}

TEST_CASE("inspect names what a backbone lacks and does not know") {
  const test::TemporaryFolder folder;
  TensorFile file;
  file.add_mini(4, [](const std::string& name) {
    return name == "bn2.bias" ? std::string() : "module.features." + name;
  });
  file.add("module.features.extra", {1});
  const std::string text = model::describe_family(open_tensors(file.write(folder / "f.safetensors")), 10);
  INFO(text);
  CHECK(text.find("family:   MagFace (names module.features.*): batch-norm eps 2e-05, BGR") == 0);
  CHECK(text.find("backbone: mini, embedding width 4\n") != std::string::npos);
  CHECK(text.find("1 tensors of the backbone are missing:\n  bn2.bias\n") != std::string::npos);
  CHECK(text.find("1 tensors are not part of it:\n  backbone.extra\n") != std::string::npos);
}
