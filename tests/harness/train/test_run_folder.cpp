// One writer a run folder, and checkpoints that are never lost to another order of steps.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/train/checkpoint.h"
#include "harness/train/checkpoint_files.h"
#include "harness/train/metrics.h"
#include "harness/train/run_lock.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

std::string refusal(const fs::path& run) {
  try {
    const train::RunLock lock(run);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

std::int64_t step_of(const fs::path& checkpoint) {
  return train::read_checkpoint_facts(checkpoint).state.global_step;
}

fs::path touch(const fs::path& run, std::int64_t step) {
  const fs::path file = train::checkpoint_path(run, step);
  fs::create_directories(file.parent_path());
  std::ofstream(file) << step;
  return file;
}

}  // namespace

TEST_CASE("a run folder has one writer at a time") {
  test::TemporaryFolder folder;
  {
    const train::RunLock lock(folder / "run");
    const std::string said = refusal(folder / "run");
    REQUIRE(said.find("another run writes to this folder") != std::string::npos);
    REQUIRE(said.find("process " + std::to_string(::getpid())) != std::string::npos);
    REQUIRE(said.find("since 2") != std::string::npos);
    REQUIRE(refusal(folder / "other").empty());
  }
  REQUIRE(refusal(folder / "run").empty());

  std::ofstream(folder / "file") << "";
  REQUIRE(refusal(folder / "file").find("cannot be made") != std::string::npos);
  fs::create_directories(folder / "odd/lock");
  REQUIRE(refusal(folder / "odd").find("cannot be written") != std::string::npos);
}

TEST_CASE("a lock ends with its process, however that ends") {
  test::TemporaryFolder folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const train::RunLock lock(folder / "run");
    (void)!::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  REQUIRE_FALSE(refusal(folder / "run").empty());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  REQUIRE(refusal(folder / "run").empty());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a second run is refused and changes nothing") {
  test::TemporaryFolder folder;
  const fs::path run = folder / "run";
  REQUIRE(test::train(run, {"--max-steps", "1", "--no-report"}).ok());
  const train::RunLock lock(run);
  const auto before = names_in(run);
  const std::string log = read_file(run / "log.txt"), metrics = read_file(run / "metrics.jsonl");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--max-steps", "1"}, {"--resume"}, {"--resume", run.string()}}) {
    const auto second = test::train(run, arguments);
    INFO(second.output);
    REQUIRE(second.status == 1);
    REQUIRE(second.says("another run writes to this folder: process " + std::to_string(::getpid())));
  }
  REQUIRE(names_in(run) == before);
  REQUIRE(read_file(run / "log.txt") == log);
  REQUIRE(read_file(run / "metrics.jsonl") == metrics);
}

TEST_CASE("what was just written is never pruned") {
  test::TemporaryFolder folder;
  for (const std::int64_t step : {4, 8, 12, 1000000000, 999999999}) touch(folder.path(), step);
  std::ofstream(folder / "checkpoints/step-000000016.safetensors.tmp") << "";
  train::prune_checkpoints(train::checkpoint_path(folder.path(), 8), 1);
  REQUIRE(names_in(folder / "checkpoints") ==
          std::set<std::string>{"step-000000008.safetensors", "step-000000012.safetensors",
                                "step-999999999.safetensors", "step-1000000000.safetensors"});
  train::prune_checkpoints(train::checkpoint_path(folder.path(), 1000000000), 2);
  REQUIRE(names_in(folder / "checkpoints") ==
          std::set<std::string>{"step-999999999.safetensors", "step-1000000000.safetensors"});
}

TEST_CASE("going on from an earlier checkpoint leaves what came after it in a run folder of its own") {
  test::TemporaryFolder folder;
  const fs::path run = folder / "run";
  REQUIRE(test::train(run, {"--epochs", "1", "--save-steps", "1", "--keep-last", "2", "--no-report"}).ok());
  REQUIRE(names_in(run / "checkpoints") == std::set<std::string>{"best.safetensors",
                                                                 "step-000000003.safetensors",
                                                                 "step-000000004.safetensors"});
  const auto abandoned = test::tensor_bytes(train::checkpoint_path(run, 4));

  const auto back =
      test::train(run, {"--resume", train::checkpoint_path(run, 3).string(), "--max-steps", "3"});
  INFO(back.output);
  REQUIRE(back.ok());
  REQUIRE(back.says("what is later (step-000000004.safetensors, best.safetensors) moved to"));
  REQUIRE(step_of(train::latest_checkpoint(run)) == 3);
  REQUIRE(names_in(run / "branch-1") ==
          std::set<std::string>{"checkpoints", "classes.txt", "config.json", "metrics.jsonl"});
  REQUIRE(test::tensor_bytes(train::checkpoint_path(run / "branch-1", 4)) == abandoned);
  REQUIRE(test::losses(run / "branch-1").size() == 4);
  REQUIRE(test::losses(run).size() == 3);

  // Both go on, and give the same.
  REQUIRE(test::train(run, {"--resume", "--epochs", "1", "--max-steps", "0"}).ok());
  REQUIRE(test::tensor_bytes(train::checkpoint_path(run, 4)) == abandoned);
  REQUIRE(fs::exists(train::best_path(run)));
  const auto branch = test::qcface(
      {"train", "--resume", (run / "branch-1").string(), "--max-steps", "5", "--epochs", "2", "--no-report"});
  INFO(branch.output);
  REQUIRE(branch.ok());
  REQUIRE(step_of(train::latest_checkpoint(run / "branch-1")) == 5);
}

TEST_CASE("a run resumed from its best checkpoint can be resumed again before it saved anything") {
  test::TemporaryFolder folder;
  const fs::path run = folder / "run";
  REQUIRE(test::train(run, {"--epochs", "1", "--no-report"}).ok());
  fs::remove(train::checkpoint_path(run, 4));  // as --keep-last does later on
  touch(run, 9);                               // a damaged later one
  const fs::path again = train::go_back_to(run, train::best_path(run), 4);
  REQUIRE(again == train::checkpoint_path(run, 4));
  REQUIRE(train::latest_checkpoint(run) == again);
  REQUIRE(fs::exists(train::checkpoint_path(run / "branch-1", 9)));
}

TEST_CASE("a resumed run does not write into another run's folder") {
  test::TemporaryFolder folder;
  REQUIRE(test::train(folder / "a", {"--max-steps", "1", "--no-report"}).ok());
  REQUIRE(test::train(folder / "b", {"--max-steps", "1", "--no-report"}).ok());
  const auto mixed = test::train(folder / "b", {"--resume", (folder / "a").string()});
  INFO(mixed.output);
  REQUIRE(mixed.status == 1);
  REQUIRE(mixed.says("holds checkpoints of another run"));
  const auto moved = test::train(folder / "c", {"--resume", (folder / "a").string(), "--max-steps", "2"});
  INFO(moved.output);
  REQUIRE(moved.ok());
  REQUIRE(step_of(train::latest_checkpoint(folder / "c")) == 2);
  REQUIRE(step_of(train::latest_checkpoint(folder / "a")) == 1);
}

TEST_CASE("a folder that cannot take results stops a run before its work") {
  test::TemporaryFolder folder;
  for (const char* name : {"eval", "checkpoints"}) {
    const fs::path run = folder / name;
    fs::create_directories(run);
    std::ofstream(run / name) << "a file";
    const auto refused = test::train(run, {"--eval-data", (test::small_faces() / "verify").string()});
    INFO(refused.output);
    REQUIRE(refused.status == 1);
    REQUIRE(refused.says((run / name).string() + ": cannot be made"));
    REQUIRE_FALSE(refused.says("step 1/"));
  }
}

TEST_CASE("damaged lines of metrics.jsonl are left out by name") {
  test::TemporaryFolder folder;
  const fs::path file = folder / "metrics.jsonl";
  const std::string one = R"({"kind":"step","global_step":1})", two = R"({"kind":"step","global_step":2})",
                    past = R"({"kind":"step","global_step":3})";
  std::ofstream(file) << one << "\n{\"global_step\": null}\n{\"kind\":\"step\",\"global_st\n[1]\n\xff\xfe\n"
                      << R"({"kind":7,"global_step":1})"
                      << "\n"
                      << R"({"kind":"step","global_step":"2"})"
                      << "\n"
                      << two << "\n"
                      << past << "\n"
                      << R"({"kind":"step","glob)";
  {
    train::MetricsFile metrics;
    metrics.open(file, 2);
    metrics.write({{"kind", "step"}, {"global_step", 3}});
  }
  REQUIRE(read_file(file) == one + "\n" + two + "\n" + past + "\n");

  SECTION("and a run says so") {
    const fs::path run = folder / "run";
    REQUIRE(test::train(run, {"--max-steps", "1", "--no-report"}).ok());
    const std::string whole = read_file(run / "metrics.jsonl");
    std::ofstream(run / "metrics.jsonl", std::ios::app) << "{\"global_step\": null}\n";
    const auto resumed = test::train(run, {"--resume", "--max-steps", "2", "--no-report"});
    INFO(resumed.output);
    REQUIRE(resumed.ok());
    const auto lines = std::count(whole.begin(), whole.end(), '\n');
    REQUIRE(resumed.says((run / "metrics.jsonl").string() + ": line " + std::to_string(lines + 1) +
                         " is no record"));
  }
}
