#include "core/threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/no_threads.h"

using namespace qcface;

TEST_CASE("Threads that the system lets start are counted", "[core]") {
  CHECK(startable_threads(1) == 1);
  CHECK(startable_threads(0) == 1);
  CHECK(startable_threads(8) == 8);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(test::refuse_threads() ? startable_threads(8) : 99);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
}
