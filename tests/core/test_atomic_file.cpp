#include "core/atomic_file.h"

#include <sys/resource.h>

#include <csignal>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

TEST_CASE("an uncommitted file leaves the previous content and no litter") {
  test::TemporaryFolder folder;
  write_file_atomically(folder / "a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.write("half");
  }
  REQUIRE(read_file(folder / "a.txt") == "old");
  REQUIRE_FALSE(std::filesystem::exists(folder / "a.txt.tmp"));
}

TEST_CASE("a write error keeps the previous content and says why") {
  test::TemporaryFolder folder;
  write_file_atomically(folder / "a.bin", "old");
  // A limit on the size of files makes the kernel refuse the write half way, as a full disk does.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{100000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::string message;
  try {
    write_file_atomically(folder / "a.bin", std::string(1000000, 'x'));
  } catch (const Error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE(message.find("a.bin") != std::string::npos);
  REQUIRE(message.find("too large") != std::string::npos);
  REQUIRE(read_file(folder / "a.bin") == "old");
  REQUIRE_FALSE(std::filesystem::exists(folder / "a.bin.tmp"));
}

TEST_CASE("a missing folder is named") {
  test::TemporaryFolder folder;
  REQUIRE_THROWS_AS(write_file_atomically(folder / "none/a.txt", "x"), Error);
  REQUIRE_THROWS_AS(read_file(folder / "none"), Error);
}
