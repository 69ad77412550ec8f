#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/open_file.h"

namespace qcface {
namespace {

// write(2) takes at most about 2 GiB a call; smaller pieces also let a signal in between.
constexpr std::size_t kPiece = std::size_t{64} << 20;

void sync_folder(const std::filesystem::path& folder) {
  // Some file systems refuse fsync on a folder; the rename is then as durable as they offer.
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), temporary_(path_) {
  temporary_ += ".tmp";
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  require(fd_ >= 0, "{}: cannot be created: {}; check that the folder exists and can be written",
          temporary_.string(), std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, at, std::min(bytes, kPiece));
    if (written < 0 && errno == EINTR) continue;
    require(written > 0, "{}: write failed: {}; the previous {} is untouched; free some space and try again",
            temporary_.string(), std::strerror(errno), path_.filename().string());
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  require(::fsync(fd_) == 0, "{}: sync failed: {}; the previous {} is untouched", temporary_.string(),
          std::strerror(errno), path_.filename().string());
  // The descriptor is closed before the rename: a network file system may report a late write error here.
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    fail("{}: cannot be put in place: {}; the previous file is untouched", path_.string(),
         std::strerror(code));
  }
  sync_folder(path_.has_parent_path() ? path_.parent_path() : std::filesystem::path("."));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  const int fd = open_regular(path);
  std::string content;
  char block[1 << 16];
  ssize_t got = 0;
  while ((got = ::read(fd, block, sizeof block)) > 0 || (got < 0 && errno == EINTR)) {
    if (got > 0) content.append(block, static_cast<std::size_t>(got));
  }
  const int code = errno;
  ::close(fd);
  require(got == 0, "{}: read failed: {}", path.string(), std::strerror(code));
  return content;
}

}  // namespace qcface
