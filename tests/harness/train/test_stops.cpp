// Whatever ends a run, the steps it did are saved, and the exit status says what it was.
#include <fmt/format.h>

#include <fstream>
#include <string>
#include <thread>

#include "core/atomic_file.h"
#include "harness/train/checkpoint.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using test::ProcessOptions;
namespace fs = std::filesystem;

namespace {

train::RunState newest_state(const fs::path& run) {
  return train::read_checkpoint_facts(test::newest_checkpoint(run)).state;
}

ProcessOptions when_it_says(const std::string& text, int signal) {
  ProcessOptions options;
  options.signal_when_says = text;
  options.signal = signal;
  return options;
}

// A verification set of many pictures, which takes a while.
fs::path long_set(const fs::path& folder) {
  fs::create_directories(folder / "imgs");
  std::string pairs;
  constexpr int kPictures = 2000;
  for (int i = 0; i < kPictures; ++i) {
    fs::create_hard_link(test::small_faces() / "verify/imgs" / (std::to_string(i % 24 + 1) + ".jpg"),
                         folder / "imgs" / (std::to_string(i + 1) + ".jpg"));
    if (i % 2 == 1) pairs += fmt::format("{} {} {}\n", i, i + 1, i / 2 % 2);
  }
  write_file_atomically(folder / "pairs.list", pairs);
  return folder;
}

}  // namespace

TEST_CASE("SIGINT, SIGTERM, SIGHUP and SIGUSR1 save, and the exit status is 128 and the signal") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    test::TemporaryFolder folder;
    const auto run = folder / "run";
    const auto stopped =
        test::train(run, {"--epochs", "100000", "--no-report"}, when_it_says("step 2/", signal));
    INFO(stopped.output);
    REQUIRE(stopped.status == 128 + signal);
    REQUIRE(stopped.says("stopped by SIG"));
    REQUIRE(newest_state(run).global_step >= 2);
  }
}

TEST_CASE("a stop inside a verification keeps the epoch, and the run resumed verifies it") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const fs::path set = long_set(folder / "long");
  const auto stopped =
      test::train(run, {"--epochs", "2", "--eval-data", set.string()}, when_it_says("epoch 1 done", SIGTERM));
  INFO(stopped.output);
  REQUIRE(stopped.status == 128 + SIGTERM);
  REQUIRE(stopped.says("stopped by SIGTERM after step 4"));
  REQUIRE_FALSE(stopped.says("verified"));
  REQUIRE(newest_state(run).global_step == 4);
  REQUIRE(newest_state(run).unverified);
  REQUIRE_FALSE(fs::exists(run / "checkpoints/best.safetensors"));

  const auto resumed = test::train(run, {"--resume", "--max-steps", "4", "--no-report", "--eval-data",
                                         (test::small_faces() / "verify").string()});
  INFO(resumed.output);
  REQUIRE(resumed.ok());
  REQUIRE(resumed.says("verified verify after epoch 1"));
  REQUIRE_FALSE(newest_state(run).unverified);
  REQUIRE(newest_state(run).best_step == 4);
  REQUIRE(test::tensor_bytes(run / "checkpoints/best.safetensors") ==
          test::tensor_bytes(test::newest_checkpoint(run)));
}

TEST_CASE("a stop inside the evaluation at the end keeps the run") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const fs::path set = long_set(folder / "long");
  const auto stopped =
      test::train(run, {"--max-steps", "2", "--eval-data", set.string()}, when_it_says("step 2/", SIGTERM));
  INFO(stopped.output);
  REQUIRE(stopped.status == 128 + SIGTERM);
  REQUIRE(newest_state(run).global_step == 2);
  REQUIRE_FALSE(fs::exists(run / "eval/verify.json"));
}

TEST_CASE("pictures that vanish stop the run, but not without its steps") {
  test::TemporaryFolder folder;
  const auto run = folder / "run", set = folder / "set";
  fs::copy(test::small_faces() / "train", set, fs::copy_options::recursive);
  std::thread vanish = test::remove_when_logged(run, "step 3/", set);
  const auto stopped = test::train(run, {"--data_dirs", set.string(), "--epochs", "100000", "--no-report"});
  vanish.join();
  INFO(stopped.output);
  REQUIRE(stopped.status == 1);
  REQUIRE(stopped.says("more than 1 %"));
  REQUIRE(stopped.says("which is saved"));
  const std::int64_t steps = newest_state(run).global_step;
  REQUIRE(steps >= 3);
  REQUIRE(stopped.says("after step " + std::to_string(steps)));
}

TEST_CASE("a log that cannot be written stops the run with its steps saved") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  REQUIRE(test::train(run, {"--max-steps", "2", "--no-report"}).ok());
  // A limit between the sizes: metrics.jsonl is too long to grow, a checkpoint is not.
  const auto limit = 2 * fs::file_size(test::newest_checkpoint(run));
  std::ofstream(run / "metrics.jsonl", std::ios::app)
      << R"({"kind":"step","global_step":2,"note":")" << std::string(limit - 2000, 'x') << "\"}\n";
  ProcessOptions options;
  options.file_size_limit = limit;
  const auto stopped = test::train(run, {"--resume", "--max-steps", "0", "--epochs", "1000"}, options);
  INFO(stopped.output.substr(0, 4000));
  REQUIRE(stopped.status == 1);
  REQUIRE(stopped.says("metrics.jsonl: write failed"));
  REQUIRE(stopped.says("which is saved"));
  REQUIRE(newest_state(run).global_step > 2);
}

TEST_CASE("a reader of the output that goes away does not end the run") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const std::string command = fmt::format(
      "{} train --pth-save-fold {} --data_dirs {} --arch mini --embed_dims 32 --epochs 2 --batch-size 8 "
      "--print-freq "
      "1 --workers 1 --device cpu --threads 1 --no-report | head -1",
      QCFACE_EXECUTABLE, run.string(), (test::small_faces() / "train").string());
  REQUIRE(test::run_process({"/bin/sh", "-c", command}).ok());
  REQUIRE(newest_state(run).global_step == 8);
  REQUIRE(read_file(run / "log.txt").find("step 8/8") != std::string::npos);
}
