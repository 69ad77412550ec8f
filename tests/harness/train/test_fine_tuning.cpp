// --weight_path with --head: a run that begins with another's weights, on the same or other identities.
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
    extra.insert(extra.begin(), {"--data_dirs", set.string(), "--weight_path", from.string(), "--seed", "5"});
    extra.insert(extra.end(), kStill.begin(), kStill.end());
    auto result = test::train(folder / "tuned", extra);
    UNSCOPED_INFO(result.output);
    return result;
  }
  bool took(const std::string& tensor) {
    const auto tuned = test::tensor_bytes(test::newest_checkpoint(folder / "tuned"));
    return tuned.at(tensor) == test::tensor_bytes(from).at(tensor);
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

TEST_CASE("a checkpoint begins a run on fewer identities with new class weights") {
  Tuning t;
  fs::remove_all(t.set / "id00004");
  const auto tuned = t.tune({});
  REQUIRE(tuned.ok());
  REQUIRE(tuned.says("has 5 classes, this set 4: backbone taken, class weights new"));
  REQUIRE(t.took(kBackbone));
  const auto refused = t.tune({"--head", "keep"});
  REQUIRE(refused.status == 1);
  REQUIRE(refused.says("has 5 classes, this set 4; --head new"));
}

TEST_CASE("class weights of as many other identities are not taken for these") {
  Tuning t;
  fs::rename(t.set / "id00000", t.set / "zz");
  REQUIRE(t.tune({}).says("has 5 classes as this set, but of other identities"));
  REQUIRE(t.took(kBackbone));
  REQUIRE_FALSE(t.took("head.weight"));
  REQUIRE(t.tune({"--head", "keep"}).says("is taken all the same"));
  REQUIRE(t.took("head.weight"));
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
