#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>

#include "harness/console/interrupt.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

TEST_CASE("data synth and data bench end on SIGTERM and SIGINT", "[cli]") {
  const test::TemporaryFolder folder;
  const std::string out = (folder / "faces").string();
  for (const int signal : {SIGTERM, SIGINT}) {
    test::ProcessOptions options;
    options.signal = signal;
    options.signal_after_s = 1;  // a loaded machine takes its time to start a program
    const auto start = Clock::now();
    const auto synth = test::run_qcface(
        {"data", "synth", "--out", out, "--identities", "500", "--pictures", "1000", "--threads", "2"},
        options);
    INFO(synth.output);
    CHECK(synth.status == 128 + signal);
    CHECK(synth.says(signal == SIGTERM ? "stopped by SIGTERM" : "stopped by SIGINT"));
    CHECK(seconds_since(start) < 5);
  }
  const std::string small = (folder / "small").string();
  REQUIRE(test::run_qcface({"data", "synth", "--out", small, "--identities", "2", "--pictures", "2",
                            "--verify-identities", "2", "--verify-pictures", "6", "--pairs", "20",
                            "--degrade-sources", "0", "--size", "32"})
              .ok());
  test::ProcessOptions options;
  options.signal = SIGTERM;
  options.signal_after_s = 0.3;
  const auto bench = test::run_qcface(
      {"data", "bench", "--data_dirs", small + "/train", "-j", "1", "-b", "2", "--stage-seconds", "60"},
      options);
  CHECK(bench.status == 128 + SIGTERM);
}

TEST_CASE("a command with nothing to save leaves after its time is up, wherever it is", "[cli]") {
  const auto start = Clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    install_interrupt_handlers();
    limit_stop_time(1);
    ::close(STDERR_FILENO);
    std::raise(SIGTERM);
    for (;;) ::pause();  // no check in sight
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 128 + SIGTERM);
  CHECK(seconds_since(start) < 4);
}
