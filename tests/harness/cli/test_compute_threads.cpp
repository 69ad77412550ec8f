#include "harness/console/compute_threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/no_threads.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

namespace {

int in_child_without_threads(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(test::refuse_threads() ? body() : 99);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("compute threads are as many as asked for, or as can start", "[cli]") {
  CHECK(settle_threads(3, 2) == 3);
  CHECK(settle_threads(1, 0) == 1);
  CHECK(settle_threads(0, 0) >= 1);
  CHECK(in_child_without_threads([] { return settle_threads(8, 4); }) == 1);
}

TEST_CASE("data synth works where no further thread can start, and says so", "[cli]") {
  const test::TemporaryFolder folder;
  test::ProcessOptions options;
  options.no_threads = true;
  const auto result = test::draw_tiny_faces((folder / "faces").string(), 16, options);
  INFO(result.output);
  CHECK(result.status == 0);
  CHECK(result.says("--threads 16: the system lets only 1 run"));
}
