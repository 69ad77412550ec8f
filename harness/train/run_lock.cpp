#include "harness/train/run_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>

#include "core/error.h"
#include "core/log.h"
#include "core/open_file.h"
#include "core/text.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

// "process 4711 on host node3, since 2026-11-28 10:07:45"
std::string who_and_since() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "?");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 32> since{};
  std::strftime(since.data(), since.size(), "%Y-%m-%d %H:%M:%S", &local);
  return fmt::format("process {} on host {}, since {}", ::getpid(), host.data(), since.data());
}

std::string holder(int fd) {
  std::array<char, 400> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  std::string line(text.data(), static_cast<std::size_t>(got > 0 ? got : 0));
  line = line.substr(0, line.find('\n'));
  return line.empty() ? "another process" : printable(line);  // empty: it has just begun
}

}  // namespace

RunLock::RunLock(const fs::path& run) {
  std::error_code error;
  fs::create_directories(run, error);
  require(!error, "--pth-save-fold {}: cannot be made: {}; name another folder", run.string(),
          error.message());
  const fs::path path = run / "lock";
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  require(fd_ >= 0, "--pth-save-fold {}: cannot be written: {}: {}", run.string(), path.string(),
          std::strerror(errno));
  const auto give_up = [&](const std::string& message) {
    ::close(std::exchange(fd_, -1));
    throw Error(message);
  };
  struct stat status {};
  if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    give_up(fmt::format("{}: is {}, expected a regular file; remove it", path.string(),
                        kind_of_file(status.st_mode)));
  }
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd_, F_OFD_SETLK, &whole) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      give_up(
          fmt::format("--pth-save-fold {}: another run writes to this folder: {}; wait for its end or name "
                      "another folder",
                      run.string(), holder(fd_)));
    }
    log::warn("{}: the file system has no locks ({}); see to it that no other run uses this folder",
              path.string(), std::strerror(errno));
    ::close(std::exchange(fd_, -1));
    return;
  }
  const std::string text = who_and_since() + '\n';
  const bool written = ::ftruncate(fd_, 0) == 0 &&
                       ::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (!written) {
    give_up(fmt::format("--pth-save-fold {}: cannot be written: {}: {}; free some space", run.string(),
                        path.string(), std::strerror(errno)));
  }
}

RunLock::~RunLock() {
  if (fd_ < 0) return;
  (void)!::ftruncate(fd_, 0);
  ::close(fd_);
}

}  // namespace qcface::train
