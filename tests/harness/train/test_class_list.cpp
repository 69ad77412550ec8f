// Labels must go on meaning the same people: what a resumed run does when its picture set changed.
#include <fstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/tensors/safetensors.h"
#include "harness/train/checkpoint.h"
#include "harness/train/class_list.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;
using Names = data::ClassNames;

namespace {

// A set of its own to change, its run stopped after two steps.
struct ChangeableRun {
  test::TemporaryFolder folder;
  fs::path set = folder / "set", run = folder / "run";
  ChangeableRun() { fs::copy(test::small_faces() / "train", set, fs::copy_options::recursive); }
  test::ProcessResult begin(const std::string& data_dirs) {
    auto result = test::train(run, {"--data_dirs", data_dirs, "--max-steps", "2"});
    INFO(result.output);
    REQUIRE(result.ok());
    return result;
  }
  test::ProcessResult resume(std::vector<std::string> extra = {}) {
    extra.insert(extra.begin(), {"--resume", "--max-steps", "3", "--no-report"});
    return test::train(run, extra);
  }
};

void require_says(const test::ProcessResult& result, int status, const std::string& text) {
  INFO(result.output);
  REQUIRE(result.status == status);
  REQUIRE(result.says(text));
}

// The checkpoint as a version without fingerprints wrote it.
void forget_fingerprint(const fs::path& checkpoint) {
  const TensorSource file = open_tensors(checkpoint);
  auto metadata = file.metadata();
  auto state = nlohmann::ordered_json::parse(metadata.at("state"));
  state.erase("class_list");
  state.erase("picture_list");
  metadata["state"] = state.dump();
  std::vector<SafeTensorOut> tensors;
  for (const TensorView& view : file.tensors())
    tensors.push_back({view.name, view.dtype, view.shape, view.data});
  write_safetensors(checkpoint, tensors, metadata);
}

}  // namespace

TEST_CASE("a class list is its names, their bytes and their order") {
  const std::string base = train::class_list_hash(Names{"anna", "bert"});
  REQUIRE(base.size() == 16);
  REQUIRE(train::class_list_hash(Names{"anna", "bert"}) == base);
  REQUIRE(train::class_list_hash(Names{"bert", "anna"}) != base);
  REQUIRE(train::class_list_hash(Names{"ann", "abert"}) != base);
  REQUIRE(train::class_list_hash(Names{"anna", "bert", ""}) != base);
  // As run folders have it, whatever a program keeps names in.
  REQUIRE(base == "625192f3409edf16");
  REQUIRE(train::class_list_hash(Names::numbers(12)) == "24d71a12dd5ae333");

  test::TemporaryFolder folder;
  const Names odd{"caf\xe9", "two\nlines", "back\\slash", "\\n", "", "bl ank"};
  train::write_class_list(folder.path(), odd);
  REQUIRE(train::read_class_list(folder.path(), train::class_list_hash(odd)) == odd);
  REQUIRE_FALSE(train::read_class_list(folder.path(), base));  // another set's
  std::vector<std::string> long_list;                          // of several blocks
  for (int i = 0; i < 3000; ++i)
    long_list.push_back(std::string(static_cast<std::size_t>(i % 100), 'n') + "\n");
  const Names many(long_list);
  train::write_class_list(folder.path(), many);
  REQUIRE(train::read_class_list(folder.path(), train::class_list_hash(many)) == many);
  REQUIRE_FALSE(train::read_class_list(folder / "absent", base));
}

TEST_CASE("a changed class list is described by what people can mend") {
  using train::describe_class_change;
  REQUIRE(describe_class_change(Names{"a", "b"}, Names{"b", "z"}) ==
          "class 0 was a, is b; removed: a; new: z");
  REQUIRE(describe_class_change(Names{"a", "b"}, Names{"b", "a"}) ==
          "class 0 was a, is b; the same names in another order");
  REQUIRE(describe_class_change(Names{"a"}, Names{"a", "b", "c", "d", "e\n"}) == "new: b, c, d and 1 more");
  REQUIRE(describe_class_change(Names{"a", "a", "b"}, Names{"b", "a", "c"}) ==
          "class 0 was a, is b; removed: a; new: c");
  REQUIRE(describe_class_change(Names::numbers(12), Names::numbers(10)) == "removed: 10, 11");
  REQUIRE(describe_class_change(Names{"a\n"}, Names{"b"}) == "class 0 was a\\n, is b; removed: a\\n; new: b");
  const Names twice{"b", "a", "b", "c", "b", "a"};
  const train::LabelRange all[] = {{0, 6}}, ends[] = {{0, 1}, {4, 6}}, middle[] = {{1, 4}};
  REQUIRE(train::shared_names(twice, all).count == 2);
  REQUIRE(train::shared_names(twice, all).example == "a");
  REQUIRE(train::shared_names(twice, ends).count == 1);
  REQUIRE(train::shared_names(twice, ends).example == "b");
  REQUIRE(train::shared_names(twice, middle).count == 0);
}

TEST_CASE("a renamed identity is refused, saying which") {
  ChangeableRun r;
  r.begin(r.set.string());
  fs::rename(r.set / "id00000", r.set / "zz");
  require_says(r.resume(), 1, "class 0 was id00000, is id00001; removed: id00000; new: zz");
  fs::remove(r.run / "classes.txt");
  require_says(r.resume(), 1, "classes.txt with the names of before is missing");
  fs::rename(r.set / "zz", r.set / "id00000");
  const auto resumed = r.resume();
  INFO(resumed.output);
  REQUIRE(resumed.ok());
  REQUIRE_FALSE(resumed.says("warning: "));
}

TEST_CASE("roots in another order are refused, also where they hold the same names") {
  ChangeableRun r;
  const fs::path a = r.folder / "a", b = r.folder / "b";
  fs::copy(r.set, a, fs::copy_options::recursive);
  fs::create_directories(b);
  SECTION("other names") {
    fs::rename(a / "id00003", b / "id00003");
    fs::rename(a / "id00004", b / "id00004");
    r.begin(a.string() + "," + b.string());
    const auto refused = r.resume({"--data_dirs", b.string() + "," + a.string()});
    require_says(refused, 1, "class 0 was id00000, is id00003; the same names in another order");
    REQUIRE(refused.says("The run began with --data_dirs " + a.string() + "," + b.string()));
  }
  SECTION("the same names") {
    fs::copy(r.set, b, fs::copy_options::recursive);
    const auto begun = r.begin(a.string() + "," + b.string());
    REQUIRE(begun.says("5 identity names are in more than one root"));
    REQUIRE(begun.says("--merge-by-name"));
    require_says(r.resume({"--data_dirs", b.string() + "," + a.string()}), 1,
                 "another order when the run began");
    REQUIRE(r.resume({"--data_dirs", a.string() + "," + b.string()}).ok());
  }
}

TEST_CASE("a set on another disk is the same set") {
  ChangeableRun r;
  r.begin(r.set.string());
  fs::rename(r.set, r.folder / "moved");
  const auto resumed = r.resume({"--data_dirs", (r.folder / "moved").string()});
  INFO(resumed.output);
  REQUIRE(resumed.ok());
  REQUIRE_FALSE(resumed.says("warning: "));
}

TEST_CASE("changed pictures of the same identities are a warning") {
  ChangeableRun r;
  r.begin(r.set.string());
  const fs::path from = r.set / "id00000";
  const fs::path picture = fs::directory_iterator(from)->path();
  SECTION("moved to another identity") {
    fs::rename(picture, r.set / "id00001" / ("moved" + picture.extension().string()));
    require_says(r.resume(), 0, "30 before, 30 now");
  }
  SECTION("taken away") {
    fs::remove(picture);
    require_says(r.resume(), 0, "30 before, 29 now");
  }
  SECTION("made anew under its name") {
    std::ofstream(picture, std::ios::app) << "longer";
    require_says(r.resume(), 0, "30 before, 30 now");
  }
  const auto again = r.resume({"--epochs", "1"});
  INFO(again.output);
  REQUIRE(again.ok());
  REQUIRE_FALSE(again.says("before, "));  // recorded: said once
}

TEST_CASE("a checkpoint of a version that recorded no class list goes on with a warning") {
  ChangeableRun r;
  r.begin(r.set.string());
  forget_fingerprint(test::newest_checkpoint(r.run));
  require_says(r.resume(), 0, "did not record which identities");
  REQUIRE_FALSE(train::read_checkpoint_facts(test::newest_checkpoint(r.run)).state.class_list.empty());
  forget_fingerprint(test::newest_checkpoint(r.run));
  fs::remove_all(r.set / "id00004");
  require_says(r.resume(), 1, "5 identities before, 4 now");
}
