// Whole runs on several ranks, which here are threads of this process: what they leave, and how they go on.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/tensors/source.h"
#include "harness/model/class_rows.h"
#include "harness/train/checkpoint.h"
#include "harness/train/rank_times.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"
#include "tests/support/distance.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> begin(const fs::path& run, const std::string& head,
                               const std::vector<std::string>& extra, const std::string& batch = "8",
                               const fs::path& pictures = test::small_faces() / "train") {
  std::vector<std::string> arguments{"--arch",
                                     "mini",
                                     "--embed_dims",
                                     "32",
                                     "--loss_model",
                                     head,
                                     "--phase",
                                     "norm",
                                     "--lambda_g",
                                     "0.1",
                                     "--data_dirs",
                                     pictures.string(),
                                     "--eval-data",
                                     (test::small_faces() / "verify").string(),
                                     "--batch-size",
                                     batch,
                                     "--epochs",
                                     "2",
                                     "--lr",
                                     "0.0001",
                                     "--lr-schedule",
                                     "cosine",
                                     "--augment",
                                     "aligned",
                                     "--workers",
                                     "0",
                                     "--threads",
                                     "1",
                                     "--device",
                                     "cpu",
                                     "--scale",
                                     "16",
                                     "--no-report",
                                     "--print-freq",
                                     "1",
                                     "--pth-save-fold",
                                     run.string()};
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  return arguments;
}

std::vector<float> class_weights(const fs::path& checkpoint) {
  const TensorSource file = open_tensors(checkpoint);
  const auto rows = model::ClassRows::find(file, "head.weight", 32);
  REQUIRE(rows.has_value());
  std::vector<float> values(static_cast<std::size_t>(rows->classes() * 32));
  rows->copy(0, values);
  return values;
}

/// All values of the backbone, one behind the other: biases alone are near 0 and differ by their rounding.
std::vector<float> backbone(const fs::path& checkpoint) {
  const TensorSource file = open_tensors(checkpoint);
  std::vector<std::string> names;
  for (const TensorView& view : file.tensors()) {
    if (view.name.starts_with("backbone.") && view.dtype == Dtype::kF32) names.push_back(view.name);
  }
  std::sort(names.begin(), names.end());
  std::vector<float> values;
  for (const std::string& name : names) {
    const std::vector<float> tensor = file.at(name).to_float();
    values.insert(values.end(), tensor.begin(), tensor.end());
  }
  REQUIRE(values.size() > 100'000);
  return values;
}

void require_close(const fs::path& ours, const fs::path& theirs) {
  constexpr double kLimit = 5e-4;
  REQUIRE(test::distance(backbone(ours), backbone(theirs)) <= kLimit);
  REQUIRE(test::distance(class_weights(ours), class_weights(theirs)) <= kLimit);
}

/// Largest relative difference of the losses of two runs of as many steps.
double loss_distance(const fs::path& ours, const fs::path& theirs) {
  const std::vector<std::string> a = test::losses(ours), b = test::losses(theirs);
  REQUIRE(a.size() == b.size());
  const auto loss = [](const std::string& line) { return std::stod(line.substr(line.find(' '))); };
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(loss(a[i]) / loss(b[i]) - 1));
  return largest;
}

}  // namespace

// A training amplifies roundings: with this rate, eight steps and another number of threads one rank alone differs from itself
// by up to 1e-4.
TEST_CASE("rank runs: with shared batch norm any number of ranks trains the same network") {
  test::TemporaryFolder folder;
  for (int kind = 0; kind < qcf_head_count(); ++kind) {
    const std::string head = qcf_head_name(static_cast<qcf_head_kind>(kind));
    const fs::path one = folder / (head + "-1");
    test::train_on_ranks(1, begin(one, head, {"--sync-bn"}, "15"));
    for (const int ranks : head == "qcface" ? std::vector{2, 3, 4} : std::vector{2}) {
      const fs::path run = folder / fmt::format("{}-{}", head, ranks);
      test::train_on_ranks(ranks, begin(run, head, {"--sync-bn"}, "15"));
      INFO(head << ", " << ranks << " ranks");
      require_close(test::newest_checkpoint(run), test::newest_checkpoint(one));
      CHECK(loss_distance(run, one) <= 1e-3);
    }
  }
  // Without it each rank has statistics of its own.
  test::train_on_ranks(2, begin(folder / "apart", "qcface", {}, "15"));
  REQUIRE(loss_distance(folder / "apart", folder / "qcface-1") > 1e-2);
}

void require_same_bits_after_a_stop(const fs::path& folder, const std::string& rate,
                                    const fs::path& pictures) {
  test::train_on_ranks(2, begin(folder / "whole", "qcface", {"--sample-rate", rate}, "6", pictures));
  test::train_on_ranks(
      2, begin(folder / "stopped", "qcface", {"--sample-rate", rate, "--max-steps", "3"}, "6", pictures));
  test::train_on_ranks(2, {"--resume", (folder / "stopped").string(), "--max-steps", "0"});
  const fs::path whole = test::newest_checkpoint(folder / "whole"),
                 stopped = test::newest_checkpoint(folder / "stopped");
  REQUIRE(fs::is_directory(whole));
  const TensorSource a = open_tensors(whole), b = open_tensors(stopped);
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const TensorView& view : a.tensors()) {
    INFO(view.name);
    const TensorView& other = b.at(view.name);
    REQUIRE(view.bytes == other.bytes);
    REQUIRE(std::equal(view.data, view.data + view.bytes, other.data));
  }
  REQUIRE(test::losses(folder / "whole") == test::losses(folder / "stopped"));
}

TEST_CASE("rank runs: the same seed and number of ranks give the same bits, stopped and resumed or not") {
  const test::TemporaryFolder folder;
  require_same_bits_after_a_stop(folder.path(), "1", test::small_faces() / "train");
}

TEST_CASE("rank runs: classes that are drawn anew each step are the same after a stop") {
  const test::TemporaryFolder folder;
  const fs::path faces = folder / "faces";
  REQUIRE(test::qcface({"data", "synth", "--out", faces.string(), "--identities", "30", "--pictures", "1",
                        "--verify-identities", "2", "--verify-pictures", "6", "--pairs", "20",
                        "--degrade-sources", "0"})
              .ok());
  require_same_bits_after_a_stop(folder.path(), "0.2", faces / "train");
  REQUIRE_THAT(read_file(folder / "whole" / "log.txt"),
               test::contains("6 of each process's 15 take part in a step"));
}

TEST_CASE("rank runs: a checkpoint goes on with another number of ranks, and is read like any other") {
  test::TemporaryFolder folder;
  const fs::path run = folder / "run";
  test::train_on_ranks(3, begin(run, "qcface", {"--sync-bn", "--max-steps", "2"}));
  test::train_on_ranks(1, begin(folder / "one", "qcface", {"--sync-bn"}));
  test::train_on_ranks(2, {"--resume", run.string(), "--max-steps", "5"});
  test::train_on_ranks(1, {"--resume", run.string(), "--max-steps", "0"});
  const std::string log = read_file(run / "log.txt");
  REQUIRE_THAT(log, test::contains("resuming with 2 processes, the run began with 3 processes"));
  REQUIRE_THAT(log, test::contains("resuming with one process, the run began with 3 processes"));
  const fs::path last = test::newest_checkpoint(run);
  REQUIRE(fs::is_regular_file(last));
  require_close(last, test::newest_checkpoint(folder / "one"));
  REQUIRE(fs::is_directory(run / "checkpoints" / "step-000000005.safetensors"));
  const auto measured = test::qcface(
      {"eval", "verify", "--weights", (run / "checkpoints" / "step-000000005.safetensors").string(), "--data",
       (test::small_faces() / "verify").string(), "--out", (folder / "out").string()});
  INFO(measured.output);
  REQUIRE(measured.ok());
}

TEST_CASE("rank runs: a checkpoint in parts becomes the file that it stands for") {
  test::TemporaryFolder folder;
  test::train_on_ranks(3, begin(folder / "run", "qcface-cur", {"--max-steps", "2"}));
  const fs::path parts = test::newest_checkpoint(folder / "run"), merged = folder / "merged.safetensors";
  const auto done =
      test::qcface({"checkpoint", "merge", "--checkpoint", parts.string(), "--out", merged.string()});
  INFO(done.output);
  REQUIRE(done.ok());
  REQUIRE(fs::is_regular_file(merged));
  REQUIRE(class_weights(merged) == class_weights(parts));
  REQUIRE(backbone(merged) == backbone(parts));
  REQUIRE(open_tensors(merged).at("head.weight").shape == std::vector<std::int64_t>{32, 5});
  // One rank goes on from either with the same bits, and its own checkpoint has the same tensors.
  fs::create_directories(folder / "one" / "checkpoints");
  fs::copy_file(merged, folder / "one" / "checkpoints" / "step-000000002.safetensors");
  test::train_on_ranks(1, {"--resume", (folder / "one").string(), "--max-steps", "3"});
  test::train_on_ranks(1, {"--resume", (folder / "run").string(), "--max-steps", "3"});
  const auto ours = test::tensor_bytes(test::newest_checkpoint(folder / "one"));
  REQUIRE(ours == test::tensor_bytes(test::newest_checkpoint(folder / "run")));
  for (const auto& [name, bytes] : ours) REQUIRE(open_tensors(merged).find(name) != nullptr);
  REQUIRE_FALSE(
      test::qcface({"checkpoint", "merge", "--checkpoint", merged.string(), "--out", merged.string()}).ok());
}

// The head lies in parts, and the class weights of an export are one tensor.
TEST_CASE("rank runs: an export of a checkpoint in parts is that of the file that it stands for") {
  test::TemporaryFolder folder;
  test::train_on_ranks(3, begin(folder / "run", "qcface-cur", {"--max-steps", "2"}));
  const fs::path parts = test::newest_checkpoint(folder / "run"), merged = folder / "merged.safetensors";
  REQUIRE(
      test::qcface({"checkpoint", "merge", "--checkpoint", parts.string(), "--out", merged.string()}).ok());
  for (const std::string suffix : {".safetensors", ".pth"}) {
    const fs::path ours = folder / ("parts" + suffix), theirs = folder / ("merged" + suffix + suffix);
    for (const auto& [from, to] : {std::pair{parts, ours}, {merged, theirs}}) {
      const auto done = test::qcface({"export", "--weights", from.string(), "--out", to.string()});
      INFO(done.output);
      REQUIRE(done.ok());
      REQUIRE(done.says("with head.weight"));
    }
    REQUIRE(read_file(ours) == read_file(theirs));
  }
  const TensorSource exported = open_tensors(folder / "parts.safetensors");
  REQUIRE(exported.at("head.weight").to_float() == open_tensors(merged).at("head.weight").to_float());
  REQUIRE(exported.find("head.t") != nullptr);
}

TEST_CASE("rank runs: where the time went is in the records of several ranks") {
  test::TemporaryFolder folder;
  for (const int ranks : {1, 2}) {
    const fs::path run = folder / fmt::format("run-{}", ranks);
    test::train_on_ranks(ranks, begin(run, "qcface", {"--max-steps", "3"}));
    const auto records = test::step_records(run);
    REQUIRE(records.size() == 3);
    for (const auto& record : records) {
      INFO(record.dump());
      REQUIRE(record.contains("communication") == (ranks > 1));
      if (ranks == 1) continue;
      REQUIRE(record.at("ranks") == ranks);
      REQUIRE(record.at("communication") > 0.0);
      REQUIRE(record.at("communication") <= 1.0);
      REQUIRE(record.at("slowest_rank") >= 0);
      REQUIRE(record.at("slowest_rank") < ranks);
      REQUIRE(record.at("slowest_ratio") >= 1.0);
    }
    const std::string log = read_file(run / "log.txt");
    REQUIRE((log.find(" a rank) comm ") != std::string::npos) == (ranks > 1));
  }
}

TEST_CASE("rank times: the rank that works longest, and the share that the others wait") {
  const double worked[] = {1, 4, 1}, elapsed[] = {5, 5, 5};
  const train::RankTimes times = train::rank_times(worked, elapsed);
  REQUIRE(times.slowest == 1);
  REQUIRE(times.slowest_ratio == 2);
  REQUIRE(std::abs(times.communication - 0.6) < 1e-12);
  const auto alone = make_single_communicator();
  REQUIRE_FALSE(train::RankClock(*alone).lap());
}

TEST_CASE("rank runs: too small a batch, and too few pictures in the last one, are refused") {
  test::TemporaryFolder folder;
  REQUIRE_THROWS_WITH(
      test::train_on_ranks(3, begin(folder / "a", "qcface", {}, "4")),
      test::contains("--batch-size 4 over 3 processes: each needs 2 pictures, so a batch of 6"));
  REQUIRE_THROWS_WITH(test::train_on_ranks(2, begin(folder / "b", "qcface", {}, "27")),
                      test::contains("the last batch of an epoch would hold 3 pictures"));
}
