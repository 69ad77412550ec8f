// Training on records, and on several data sets with weights: same bits after a kill, and what a resumed run checks.
#include <cmath>
#include <fstream>
#include <random>
#include <string>

#include "core/atomic_file.h"
#include "harness/data/sets/picture_source.h"
#include "tests/harness/data/record_writer.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"
#include "tests/support/test_data.h"

using namespace qcface;
namespace fs = std::filesystem;
using test::RecordWriter;

namespace {

std::string small_folder() { return (test::small_faces() / "train").string(); }

// The small face set as records in the classic layout, from key 1 on.
RecordWriter as_records(std::int64_t classes) {
  const auto faces = data::open_pictures(small_folder());
  std::int64_t pictures = 0;
  while (pictures < faces->size() && faces->label(pictures) < classes) ++pictures;
  RecordWriter writer;
  writer.add(0, {static_cast<float>(pictures + 1), static_cast<float>(pictures + 1 + classes)}, "");
  std::vector<std::pair<float, float>> ranges(static_cast<std::size_t>(classes), {0.0f, 0.0f});
  for (std::int64_t i = 0; i < pictures; ++i) {
    const auto label = static_cast<float>(faces->label(i)), key = static_cast<float>(i + 1);
    writer.add(static_cast<std::uint64_t>(i + 1), {label}, read_file(faces->name(i)));
    auto& range = ranges[static_cast<std::size_t>(faces->label(i))];
    if (range.first == 0.0f) range.first = key;
    range.second = key + 1;
  }
  for (std::int64_t c = 0; c < classes; ++c) {
    const auto& range = ranges[static_cast<std::size_t>(c)];
    writer.add(static_cast<std::uint64_t>(pictures + 1 + c), {range.first, range.second}, "");
  }
  return writer;
}

void require_same_bits(const fs::path& a, const fs::path& b) {
  const auto ours = test::tensor_bytes(test::newest_checkpoint(a));
  const auto whole = test::tensor_bytes(test::newest_checkpoint(b));
  REQUIRE(ours == whole);
  REQUIRE(test::losses(a) == test::losses(b));
}

void require_says(const test::ProcessResult& result, int status, const std::string& text) {
  INFO(result.output);
  REQUIRE(result.status == status);
  REQUIRE(result.says(text));
}

}  // namespace

TEST_CASE("records train to the bits of the folder that they were made of") {
  test::TemporaryFolder folder;
  as_records(5).write(folder / "set");
  const auto from_folder = test::train(folder / "a", {"--epochs", "2", "--no-report"});
  REQUIRE(from_folder.ok());
  const auto from_records =
      test::train(folder / "b", {"--data_dirs", (folder / "set").string(), "--no-report"});
  INFO(from_records.output);
  REQUIRE(from_records.ok());
  REQUIRE(from_records.says("data set 1:  RecordIO (classic) " + (folder / "set/train.rec").string() +
                            ": 30 pictures of 5 identities"));
  REQUIRE_FALSE(from_records.says("warning: "));
  require_same_bits(folder / "a", folder / "b");
}

TEST_CASE("a weighted run on a folder and records that is killed and resumed equals one that is not") {
  test::TemporaryFolder folder;
  as_records(3).write(folder / "set");
  const std::vector<std::string> sets{"--data_dirs", small_folder() + "," + (folder / "set").string(),
                                      "--data-weights", "1,0.5", "--no-report"};
  const auto whole = test::train(folder / "whole", sets);
  INFO(whole.output);
  REQUIRE(whole.ok());
  REQUIRE(whole.says("48 pictures of 8 identities, 5 batches of 8 an epoch"));  // 30 + 9 shown
  REQUIRE(whole.says("30 pictures of 5 identities, weight 1: 30 shown an epoch"));
  REQUIRE(whole.says("18 pictures of 3 identities, weight 0.5: 9 shown an epoch"));

  const auto run = folder / "run";
  std::mt19937 random(15);
  std::uniform_real_distribution<double> seconds(0.05, 0.6);
  int kills = 0;
  bool finished = false;
  for (int attempt = 0; attempt < 60 && !finished; ++attempt) {
    const bool resume = fs::exists(run / "checkpoints") && !test::newest_checkpoint(run).empty();
    std::vector<std::string> arguments{"--save-steps", "1"};
    if (resume) {
      arguments.insert(arguments.end(), {"--resume", "--no-report"});
    } else {
      arguments.insert(arguments.end(), sets.begin(), sets.end());
    }
    test::ProcessOptions options;
    options.signal_after_s = seconds(random) * std::pow(1.07, attempt);
    const auto result = test::train(run, arguments, options);
    INFO(result.output);
    finished = result.ok();
    kills += result.status == 128 + SIGKILL;
    REQUIRE((finished || result.status == 128 + SIGKILL));
  }
  REQUIRE(finished);
  REQUIRE(kills > 0);
  require_same_bits(run, folder / "whole");
}

TEST_CASE("a resumed run says what changed in its records and weights") {
  test::TemporaryFolder folder;
  const fs::path run = folder / "run", set = folder / "set";
  as_records(5).write(set);
  const std::string places = set.string();
  REQUIRE(test::train(run, {"--data_dirs", places, "--max-steps", "2", "--no-report"}).ok());
  const auto resume = [&](std::vector<std::string> extra, const char* steps = "3") {
    extra.insert(extra.begin(), {"--resume", "--max-steps", steps, "--no-report"});
    return test::train(run, extra);
  };
  SECTION("moved") {
    fs::rename(set, folder / "moved");
    const auto resumed = resume({"--data_dirs", (folder / "moved").string()});
    INFO(resumed.output);
    REQUIRE(resumed.ok());
    REQUIRE_FALSE(resumed.says("warning: "));
  }
  SECTION("fewer classes") {
    as_records(3).write(set);
    require_says(resume({}), 1, "removed: 3, 4; 5 identities before, 3 now");
  }
  SECTION("other pictures of as many classes") {
    RecordWriter other = as_records(5);
    other.add(1000, {0.0f}, "more");  // behind the identity records: left out
    other.file += other.file.substr(0, 40);
    other.write(set);
    REQUIRE(resume({}).ok());  // the pictures are the same
    RecordWriter half;
    const auto faces = data::open_pictures(small_folder());
    for (std::int64_t i = 0; i < faces->size(); i += 2)
      half.add(static_cast<std::uint64_t>(i), {static_cast<float>(faces->label(i))},
               read_file(faces->name(i)));
    half.write(set);
    const auto resumed = resume({}, "4");
    INFO(resumed.output);
    REQUIRE(resumed.ok());
    REQUIRE(resumed.says("30 before, 15 now"));
    REQUIRE(resumed.says("classes that are numbers cannot be compared"));
    REQUIRE(resumed.says("--data_dirs was " + places));
  }
  SECTION("weights belong to the run") {
    require_says(resume({"--data-weights", "2"}), 2, "--data-weights [2.0] differs from the checkpoint's []");
  }
}

TEST_CASE("names that are numbers give no hint to merge, and merging merges them") {
  test::TemporaryFolder folder;
  as_records(5).write(folder / "a");
  as_records(3).write(folder / "b");
  const std::string places = (folder / "a").string() + "," + (folder / "b").string();
  const auto apart = test::train(folder / "run",
                                 {"--data_dirs", places, "--max-steps", "1", "--epochs", "1", "--no-report"});
  require_says(apart, 0, "48 pictures of 8 identities");
  REQUIRE_FALSE(apart.says("--merge-by-name makes them one class"));
  REQUIRE(apart.says("those of each set follow those of the one before"));
  require_says(test::train(folder / "merged", {"--data_dirs", places, "--merge-by-name", "--max-steps", "1",
                                               "--epochs", "1", "--no-report"}),
               0, "48 pictures of 5 identities");
}

TEST_CASE("weights and data sets have to be as many") {
  test::TemporaryFolder folder;
  require_says(test::train(folder / "run", {"--data-weights", "1,2"}), 2,
               "--data-weights has 2 values, --data_dirs 1 data sets");
  require_says(test::train(folder / "run", {"--data-weights", "0"}), 2, "--data-weights");
}

TEST_CASE("corrupt pictures in records are skipped up to one in a hundred") {
  test::TemporaryFolder folder;
  const auto faces = data::open_pictures(small_folder());
  RecordWriter writer;
  for (std::uint64_t key = 0; key < 120; ++key) {
    const auto i = static_cast<std::int64_t>(key) % faces->size();
    writer.add(key, {static_cast<float>(faces->label(i))},
               key == 50 ? "no picture" : read_file(faces->name(i)));
  }
  const fs::path file = writer.write(folder / "set");
  const auto result =
      test::train(folder / "run", {"--data_dirs", (folder / "set").string(), "--epochs", "1", "--no-report"});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(result.says(file.string() + "#key 50 (class "));
  REQUIRE(result.says("picture skipped (not a picture format this program knows); 1 so far"));
}

TEST_CASE("training runs on the files that MXNet's im2rec wrote") {
  const fs::path records = test::real_data("formats/recordio");
  if (records.empty()) {
    WARN("[qcface-skip] QCFACE_REAL_DATA names no folder with formats/recordio");
    return;
  }
  test::TemporaryFolder folder;
  const auto result =
      test::train(folder / "run",
                  {"--data_dirs", (records / "flag9.rec").string() + "," + (records / "small28.rec").string(),
                   "--batch-size", "16", "--max-steps", "2", "--epochs", "1", "--no-report"});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(
      result.says("RecordIO (im2rec) " + (records / "flag9.rec").string() + ": 12 pictures of 5 identities"));
  REQUIRE(result.says("RecordIO (im2rec, no index) " + (records / "small28.rec").string() +
                      ": 392 pictures of 35"));
}

TEST_CASE("classes that are numbers alone are nobody's by name: they stay where they are, or start new") {
  test::TemporaryFolder folder;
  as_records(5).write(folder / "five");
  as_records(4).write(folder / "four");
  const auto train = [&](const std::string& run, const std::string& set, std::vector<std::string> more) {
    more.insert(more.begin(), {"--data_dirs", set, "--max-steps", "1", "--no-report"});
    return test::train(folder / run, more);
  };
  const std::string five = (folder / "five" / "train.rec").string(),
                    four = (folder / "four" / "train.rec").string();
  REQUIRE(train("before", five, {}).ok());
  const std::string weights = test::newest_checkpoint(folder / "before").string();
  require_says(train("fewer", four, {"--weight_path", weights}), 0,
               "has 5 classes, this set 4: backbone taken, class weights new");
  require_says(train("same", five, {"--weight_path", weights}), 0, "both know them by number alone");
  // A list of numbers says nothing about folders either, whatever these are called.
  fs::copy(small_folder(), folder / "named", fs::copy_options::recursive);
  fs::rename(folder / "named" / "id00000", folder / "named" / "0");
  require_says(train("named", (folder / "named").string(), {"--weight_path", weights}), 0,
               "but of other identities: backbone taken, class weights new");
}
