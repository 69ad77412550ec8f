#include "core/open_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/npy.h"
#include "core/tensors/source.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

TEST_CASE("Only regular files are opened; the kind of others is named", "[core]") {
  const test::TemporaryFolder folder;
  const auto problem_of = [](const std::filesystem::path& path) {
    std::string problem;
    const int fd = try_open_regular(path, problem);
    if (fd >= 0) ::close(fd);
    return fd >= 0 ? std::string("opened") : problem;
  };
  std::ofstream(folder / "file") << "text";
  std::filesystem::create_symlink(folder / "file", folder / "link");
  std::filesystem::create_symlink(folder / "loop", folder / "loop");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "socket").c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(problem_of(folder / "file") == "opened");
  CHECK(problem_of(folder / "link") == "opened");
  CHECK(problem_of(folder / "pipe") == "is a named pipe, expected a regular file");
  CHECK(problem_of(folder / "socket") == "is a socket, expected a regular file");
  CHECK(problem_of("/dev/null") == "is a device, expected a regular file");
  CHECK(problem_of(folder.path()) == "is a folder, expected a regular file");
  CHECK(problem_of(folder / "nothing") == "No such file or directory");
  CHECK(problem_of(folder / "loop") == "Too many levels of symbolic links");
  ::close(listener);
}

TEST_CASE("Readers of whole files refuse a named pipe at once", "[core]") {
  const test::TemporaryFolder folder;
  const std::filesystem::path pipe = folder / "x.npy";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(read_file(pipe), Error);
  CHECK_THROWS_AS(read_npy(pipe), Error);
  CHECK_THROWS_AS(open_tensors(pipe), Error);
}
