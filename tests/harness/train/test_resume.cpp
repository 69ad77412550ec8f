// A run that was stopped and resumed gives the bits of one that never was.
#include <cmath>
#include <random>

#include "harness/train/checkpoint.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using test::ProcessOptions;

namespace {

// 30 pictures, batch 8: four steps an epoch, the last of six pictures; two epochs.
constexpr int kSteps = 8;

const std::filesystem::path& uninterrupted() {
  static const test::TemporaryFolder folder;
  static const std::filesystem::path run = [] {
    const auto result = test::train(folder / "whole", {});
    INFO(result.output);
    REQUIRE(result.ok());
    return folder / "whole";
  }();
  return run;
}

void require_same_run(const std::filesystem::path& run) {
  REQUIRE(test::newest_checkpoint(run).filename() == test::newest_checkpoint(uninterrupted()).filename());
  const auto ours = test::tensor_bytes(test::newest_checkpoint(run));
  const auto whole = test::tensor_bytes(test::newest_checkpoint(uninterrupted()));
  REQUIRE(ours.size() == whole.size());
  for (const auto& [name, bytes] : whole) {
    INFO(name);
    REQUIRE(ours.at(name) == bytes);
  }
  REQUIRE(test::losses(run) == test::losses(uninterrupted()));
}

}  // namespace

TEST_CASE("a resumed run equals an uninterrupted one bit for bit") {
  for (const int stop : {1, 3, 4, 6}) {  // inside the first epoch, at its end, inside the second
    test::TemporaryFolder folder;
    const auto run = folder / "run";
    REQUIRE(test::train(run, {"--max-steps", std::to_string(stop)}).ok());
    REQUIRE(train::read_checkpoint_facts(test::newest_checkpoint(run)).state.global_step == stop);
    const auto resumed = test::train(run, {"--resume", "--max-steps", "0"});
    INFO(resumed.output);
    REQUIRE(resumed.ok());
    REQUIRE(resumed.says("resuming from"));
    require_same_run(run);
  }
}

TEST_CASE("a run killed at random points and resumed equals an uninterrupted one") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  std::mt19937 random(20261123);
  std::uniform_real_distribution<double> seconds(0.05, 0.6);
  int kills = 0;
  bool finished = false;
  for (int attempt = 0; attempt < 60 && !finished; ++attempt) {
    const bool resume = std::filesystem::exists(run / "checkpoints") && !test::newest_checkpoint(run).empty();
    std::vector<std::string> arguments{"--save-steps", "1"};
    if (resume) arguments.push_back("--resume");
    ProcessOptions options;
    // Later attempts get more time, so that a slow machine ends too: the last fifty times as much as the first.
    options.signal_after_s = seconds(random) * std::pow(1.07, attempt);
    const auto result = test::train(run, arguments, options);
    finished = result.ok();
    kills += result.status == 128 + SIGKILL;
    INFO(result.output);
    REQUIRE((finished || result.status == 128 + SIGKILL));
  }
  REQUIRE(finished);
  REQUIRE(kills > 0);
  require_same_run(run);
}

TEST_CASE("SIGTERM saves, and the run goes on from there") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  ProcessOptions options;
  options.signal = SIGTERM;
  options.signal_when_says = "step 3/";
  const auto stopped = test::train(run, {"--epochs", "100000", "--no-report"}, options);
  INFO(stopped.output);
  REQUIRE(stopped.status == 128 + SIGTERM);
  REQUIRE(stopped.says("stopped by SIGTERM"));
  const auto facts = train::read_checkpoint_facts(test::newest_checkpoint(run));
  REQUIRE(facts.state.global_step > 0);
  const auto resumed =
      test::train(run, {"--resume", "--max-steps", std::to_string(facts.state.global_step + 2)});
  INFO(resumed.output);
  REQUIRE(resumed.ok());
  REQUIRE(train::read_checkpoint_facts(test::newest_checkpoint(run)).state.global_step ==
          facts.state.global_step + 2);
}

TEST_CASE("a resumed run refuses flags that would change the training") {
  const auto result = test::train(uninterrupted(), {"--resume", "--lr", "0.5"});
  INFO(result.output);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.says("--lr"));
  REQUIRE(test::train(uninterrupted(), {"--resume", "--accumulate", "2"})
              .says("--accumulate 2 differs from the checkpoint's 1"));
}

TEST_CASE("a damaged newest checkpoint is passed over") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  REQUIRE(test::train(run, {"--save-steps", "1", "--max-steps", "3"}).ok());
  const auto newest = test::newest_checkpoint(run);
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) / 2);
  const auto resumed = test::train(run, {"--resume", "--max-steps", "0"});
  INFO(resumed.output);
  REQUIRE(resumed.ok());
  REQUIRE(resumed.says(newest.filename().string()));
  require_same_run(run);
}
