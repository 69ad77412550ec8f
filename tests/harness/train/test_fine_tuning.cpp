// --weight_path with --head: a run that begins with another's weights, on the same or other identities.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensors/safetensors.h"
#include "harness/train/checkpoint.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

// Initial weights are what a step with rates of 0 leaves.
const std::vector<std::string> kStill{"--max-steps", "1", "--lr", "0", "--weight-decay", "0", "--no-report"};

struct Tuning {
  test::TemporaryFolder folder;
  fs::path from, set = folder / "set";
  Tuning() {
    static const test::TemporaryFolder kept;
    static const fs::path run = [] {
      REQUIRE(test::train(kept / "run", {"--max-steps", "2", "--no-report"}).ok());
      return kept / "run";
    }();
    from = test::newest_checkpoint(run);
    fs::copy(test::small_faces() / "train", set, fs::copy_options::recursive);
  }
  test::ProcessResult tune(std::vector<std::string> extra) {
    fs::remove_all(folder / "tuned");
    if (std::find(extra.begin(), extra.end(), "--data_dirs") == extra.end())
      extra.insert(extra.begin(), {"--data_dirs", set.string()});
    extra.insert(extra.begin(), {"--weight_path", from.string(), "--seed", "5"});
    extra.insert(extra.end(), kStill.begin(), kStill.end());
    auto result = test::train(folder / "tuned", extra);
    UNSCOPED_INFO(result.output);
    return result;
  }
  fs::path tuned() const { return test::newest_checkpoint(folder / "tuned"); }
  bool took(const std::string& tensor) {
    return test::tensor_bytes(tuned()).at(tensor) == test::tensor_bytes(from).at(tensor);
  }
  // The columns of head.weight, a class each.
  static std::vector<std::vector<float>> classes(const fs::path& file) {
    const TensorSource opened = open_tensors(file);
    const TensorView& weights = opened.at("head.weight");
    const std::vector<float> values = weights.to_float();
    const auto width = static_cast<std::size_t>(weights.shape[0]),
               count = static_cast<std::size_t>(weights.shape[1]);
    std::vector<std::vector<float>> columns(count, std::vector<float>(width));
    for (std::size_t d = 0; d < width; ++d) {
      for (std::size_t k = 0; k < count; ++k) columns[k][d] = values[d * count + k];
    }
    return columns;
  }
};

constexpr const char* kBackbone = "backbone.layer1.0.conv1.weight";

}  // namespace

TEST_CASE("a checkpoint begins a run on the same identities with its class weights") {
  Tuning t;
  REQUIRE(t.tune({}).says("with head.weight"));
  REQUIRE(t.took(kBackbone));
  REQUIRE(t.took("head.weight"));
  REQUIRE(t.tune({"--head", "new"}).says("--head new: backbone taken"));
  REQUIRE(t.took(kBackbone));
  REQUIRE_FALSE(t.took("head.weight"));
}

TEST_CASE("a checkpoint begins a run on fewer identities with the class weights of those that are left") {
  Tuning t;
  fs::remove_all(t.set / "id00001");
  const auto tuned = t.tune({});
  REQUIRE(tuned.ok());
  REQUIRE(tuned.says(
      "class weights of 4 identities that both sets have are taken over by name, those of 0 others "
      "start new; 1 of the file's are left behind"));
  REQUIRE(t.took(kBackbone));
  const auto before = t.classes(t.from), now = t.classes(t.tuned());
  REQUIRE(before.size() == 5);
  REQUIRE(now == std::vector{before[0], before[2], before[3], before[4]});
  const auto refused = t.tune({"--head", "keep"});
  REQUIRE(refused.status == 1);
  REQUIRE(refused.says("has 5 classes, this set 4; --head new"));
}

TEST_CASE("identities of other names get new class weights, the others keep theirs in their new places") {
  Tuning t;
  fs::rename(t.set / "id00000", t.set / "zz");
  REQUIRE(
      t.tune({}).says("class weights of 4 identities that both sets have are taken over by name, those of 1 "
                      "others start new"));
  REQUIRE(t.took(kBackbone));
  const auto before = t.classes(t.from), now = t.classes(t.tuned());
  REQUIRE(now.size() == 5);
  for (std::size_t k = 0; k < 4; ++k) REQUIRE(now[k] == before[k + 1]);
  REQUIRE(std::count(before.begin(), before.end(), now[4]) == 0);
  REQUIRE(t.tune({"--head", "keep"}).says("is taken all the same"));
  REQUIRE(t.took("head.weight"));
}

TEST_CASE("a name that two roots share stands for nobody") {
  Tuning t;
  const fs::path second = t.folder / "second";
  fs::create_directories(second);
  fs::copy(t.set / "id00002", second / "id00002", fs::copy_options::recursive);
  REQUIRE(
      t.tune({"--data_dirs", t.set.string() + "," + second.string()}).says("class weights of 4 identities"));
}

TEST_CASE("class weights are not taken where the names are not known") {
  Tuning t;
  fs::copy(t.from, t.folder / "alone.safetensors");  // without its run's classes.txt
  t.from = t.folder / "alone.safetensors";
  fs::rename(t.set / "id00000", t.set / "zz");
  REQUIRE(t.tune({}).says("has 5 classes as this set, but of other identities"));
  REQUIRE_FALSE(t.took("head.weight"));
  fs::remove_all(t.set / "zz");
  REQUIRE(t.tune({}).says("has 5 classes, this set 4: backbone taken, class weights new"));
  REQUIRE(t.took(kBackbone));
}

TEST_CASE("the state of a curricular head goes with the class weights") {
  Tuning t;
  const std::vector<std::string> curricular{"--loss_model", "curricular"};
  REQUIRE(
      test::train(t.folder / "run", {"--loss_model", "curricular", "--max-steps", "1", "--no-report"}).ok());
  const TensorSource file = open_tensors(test::newest_checkpoint(t.folder / "run"));
  const float high = 0.9f;  // a step moves it by a hundredth of its way
  std::vector<SafeTensorOut> tensors;
  for (const TensorView& view : file.tensors())
    tensors.push_back({view.name, view.dtype, view.shape,
                       view.name == "head.t" ? &high : static_cast<const void*>(view.data)});
  t.from = t.folder / "run/checkpoints/high.safetensors";
  write_safetensors(t.from, tensors, file.metadata());
  const auto state = [&] { return open_tensors(t.tuned()).at("head.t").to_float().front(); };
  fs::remove_all(t.set / "id00004");
  REQUIRE(t.tune(curricular).says("class weights of 4 identities"));
  REQUIRE(state() > 0.8f);
  REQUIRE(t.tune({"--loss_model", "curricular", "--head", "new"}).ok());
  REQUIRE(state() < 0.5f);
}

TEST_CASE("weights of another program bring its preparation and eps, unless these are given") {
  Tuning t;
  const TensorSource file = open_tensors(t.from);
  std::vector<SafeTensorOut> tensors;
  for (const TensorView& view : file.tensors()) {
    if (view.name.starts_with("backbone."))
      tensors.push_back({"module.features." + view.name.substr(9), view.dtype, view.shape, view.data});
    if (view.name == "head.weight")
      tensors.push_back({"module.fc.weight", view.dtype, view.shape, view.data});
  }
  t.from = t.folder / "magface.safetensors";
  write_safetensors(t.from, tensors, {});
  const auto took = [&] {
    return test::tensor_bytes(t.tuned()).at(kBackbone) ==
           test::tensor_bytes(t.from).at(std::string("module.features.") + (kBackbone + 9));
  };
  const auto config = [&] { return train::read_checkpoint_facts(t.tuned()).config; };
  const auto tuned = t.tune({});
  REQUIRE(tuned.says(
      "MagFace (names module.features.*): batch-norm eps 2e-05, BGR pixels, mean (0, 0, 0), std (1, 1, 1)"));
  REQUIRE(tuned.says("the file does not say whose"));
  REQUIRE(tuned.says("with head.weight"));
  REQUIRE_FALSE(tuned.says("this run takes"));
  REQUIRE(took());
  REQUIRE(config().at("bgr") == true);
  REQUIRE(config().at("mean") == std::vector{0, 0, 0});
  REQUIRE(config().at("bn-eps") == 2e-5);
  const auto other = t.tune({"--family", "insightface", "--mean", "0.1", "0.2", "0.3"});
  REQUIRE(other.says("InsightFace by --family (names module.features.*): batch-norm eps 1e-05"));
  REQUIRE(other.says("this run takes RGB pixels, mean (0.1, 0.2, 0.3), std (0.5, 0.5, 0.5)"));
  REQUIRE(config().at("bn-eps") == 1e-5);
  // The run goes on without the file, and what it saved is evaluated as it was trained.
  fs::remove(t.from);
  const auto resumed =
      test::train(t.folder / "tuned", {"--resume", (t.folder / "tuned").string(), "--max-steps", "2"});
  INFO(resumed.output);
  REQUIRE(resumed.ok());
  REQUIRE(resumed.says("input:       RGB pixels, mean (0.1, 0.2, 0.3), std (0.5, 0.5, 0.5)"));
  REQUIRE(resumed.says("batch-norm eps 1e-05"));
  const auto embedded = test::qcface({"embed", "--weights", t.tuned().string(), "--data", t.set.string(),
                                      "--out", (t.folder / "embedded").string(), "--device", "cpu"});
  INFO(embedded.output);
  REQUIRE(embedded.says(
      "of this program (names backbone.*): batch-norm eps 1e-05, RGB pixels, mean (0.1, 0.2, 0.3)"));
}

TEST_CASE("initial weights that do not fit are refused in words, before the first step") {
  Tuning t;
  const auto refused = [](const test::ProcessResult& result, const std::string& text, int status = 1) {
    REQUIRE(result.status == status);
    REQUIRE(result.says(text));
    REQUIRE_FALSE(result.says("step 1/"));
  };
  refused(t.tune({"--embed_dims", "64"}), "its embeddings have 32 values, but --embed_dims is 64");
  refused(t.tune({"--arch", "ir18"}), "holds a backbone mini, but --arch is ir18");
  refused(test::train(t.folder / "r", {"--head", "new"}), "--head without --weight_path", 2);
  refused(test::train(t.folder / "r", {"--family", "magface"}), "--family without --weight_path", 2);
  refused(test::train(t.folder / "r", {"--bn-eps", "1e-20"}), "--bn-eps is 1e-20, expected a value from", 2);
  // Bare weights: no metadata, no head.
  const TensorSource file = open_tensors(t.from);
  std::vector<SafeTensorOut> tensors;
  for (const TensorView& view : file.tensors()) {
    if (view.name.starts_with("backbone.")) tensors.push_back({view.name, view.dtype, view.shape, view.data});
  }
  const fs::path bare = t.folder / "bare.safetensors";
  write_safetensors(bare, tensors, {});
  t.from = bare;
  REQUIRE(t.tune({}).says("has no head.weight: backbone taken, class weights new"));
  refused(t.tune({"--head", "keep"}), "has no head.weight");
}

TEST_CASE("damaged metadata of a checkpoint is told in our words") {
  test::TemporaryFolder folder;
  const std::vector<float> value{1};
  const auto refusal = [&](const std::string& config, const std::string& state) -> std::string {
    const fs::path file = folder / "c.safetensors";
    const SafeTensorOut tensor{"x", Dtype::kF32, {1}, value.data()};
    write_safetensors(
        file, {&tensor, 1},
        {{"format", train::kCheckpointFormat}, {"arch", "mini"}, {"config", config}, {"state", state}});
    try {
      train::read_checkpoint_facts(file);
    } catch (const Error& error) {
      const std::string said = error.what();
      REQUIRE(said.find("exception") == std::string::npos);
      REQUIRE(said.find(file.string()) == 0);
      return said;
    }
    return "";
  };
  const auto says = [](const std::string& said, const std::string& text) {
    INFO(said);
    return said.find(text) != std::string::npos;
  };
  const auto good = train::to_json({});
  REQUIRE(refusal("{}", good.dump()).empty());
  REQUIRE(says(refusal("[]", good.dump()), "config is not a JSON object"));
  REQUIRE(says(refusal("{", good.dump()), "config is not a JSON object"));
  REQUIRE(says(refusal("{}", ""), "state is not a JSON object"));
  REQUIRE(says(refusal("{}", "{}"), "its epoch is missing, expected a whole number"));
  REQUIRE(says(refusal("{}", R"({"a":)" + std::string(100000, '[') + std::string(100000, ']') + "}"),
               "nest deeper"));
  for (const auto& [key, wrong] :
       std::vector<std::pair<std::string, nlohmann::json>>{{"global_step", "4"},
                                                           {"global_step", -1},
                                                           {"global_step", 1.5},
                                                           {"epoch", 18446744073709551615u},
                                                           {"classes", nullptr},
                                                           {"epoch_loss", "x"},
                                                           {"criterion", 3},
                                                           {"class_list", {1}}}) {
    auto state = good;
    state[key] = wrong;
    REQUIRE(says(refusal("{}", state.dump()), "its " + key + " is "));
  }
}
