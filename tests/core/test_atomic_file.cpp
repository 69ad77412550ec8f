#include "core/atomic_file.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <string>

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

TEST_CASE("files of a group change together or not at all", "[core]") {
  test::TemporaryFolder folder;
  write_file_atomically(folder / "a.txt", "old a");
  write_file_atomically(folder / "b.txt", "old b");
  {
    FileGroup group;
    group.add(folder / "a.txt").write("new a");
    CHECK_THROWS_AS(group.add(folder / "none/b.txt"), Error);
  }
  CHECK(read_file(folder / "a.txt") == "old a");
  FileGroup group;
  AtomicFile& a = group.add(folder / "a.txt");
  group.add(folder / "b.txt").write("new b");
  a.write("new a");
  CHECK(read_file(folder / "b.txt") == "old b");
  group.commit();
  CHECK(read_file(folder / "a.txt") == "new a");
  CHECK(read_file(folder / "b.txt") == "new b");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
}

TEST_CASE("a rename that fails leaves no temporary file", "[core]") {
  test::TemporaryFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("x");
    std::filesystem::create_directory(folder / "a");  // came to be in between
    CHECK_THROWS_AS(file.commit(), Error);
  }
  CHECK_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST_CASE("a named pipe is neither replaced by a file nor waited for", "[core]") {
  test::TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(write_file_atomically(folder / "pipe", "x"), Error);
  REQUIRE(::mkfifo((folder / "a.tmp").c_str(), 0600) == 0);
  CHECK_THROWS_AS(write_file_atomically(folder / "a", "x"), Error);
}

TEST_CASE("a folder for results is tried before the work", "[core]") {
  test::TemporaryFolder folder;
  require_writable_folder(folder / "new/folder", "--out");
  CHECK(std::filesystem::is_empty(folder / "new/folder"));
  write_file_atomically(folder / "file", "x");
  const auto message = [](const std::filesystem::path& path) -> std::string {
    try {
      require_writable_folder(path, "--out");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message(folder / "file").find("--out " + (folder / "file").string()) == 0);
  CHECK(message("/proc/self").find("--out /proc/self: cannot be written: ") == 0);
}
