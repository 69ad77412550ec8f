#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/open_file.h"

namespace qcface {
namespace {

// write(2) takes at most about 2 GiB a call; smaller pieces also let a signal in between.
constexpr std::size_t kPiece = std::size_t{64} << 20;

// A path without a parent is in the working folder.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), temporary_(path_) {
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0) {
    require(S_ISREG(status.st_mode), "{}: is {}, expected a regular file or a name that is free",
            path_.string(), kind_of_file(status.st_mode));
  }
  temporary_ += ".tmp";
  // O_NONBLOCK: a named pipe of the temporary's name is refused, not waited for.
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644);
  require(fd_ >= 0, "{}: cannot be created: {}; check that the folder exists and can be written",
          temporary_.string(), std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (fd_ >= 0 || finished_) ::unlink(temporary_.c_str());
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

void AtomicFile::finish(bool sync) {
  require(!sync || ::fsync(fd_) == 0, "{}: sync failed: {}; the previous {} is untouched",
          temporary_.string(), std::strerror(errno), path_.filename().string());
  // The descriptor is closed before the rename: a network file system may report a late write error here.
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) == 0) {
    finished_ = true;
    return;
  }
  const int code = errno;
  ::unlink(temporary_.c_str());
  fail("{}: close failed: {}; the previous {} is untouched", temporary_.string(), std::strerror(code),
       path_.filename().string());
}

void AtomicFile::put_in_place() {
  require(::rename(temporary_.c_str(), path_.c_str()) == 0,
          "{}: cannot be put in place: {}; the previous file is untouched", path_.string(),
          std::strerror(errno));
  finished_ = false;
}

void AtomicFile::sync_folder() const {
  // Some file systems refuse fsync on a folder; the rename is then as durable as they offer.
  const int fd = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

void AtomicFile::commit() {
  finish();
  put_in_place();
  sync_folder();
}

void AtomicFile::commit_unsynced() {
  finish(false);
  put_in_place();
}

void FileGroup::commit() {
  for (AtomicFile& file : files_) file.finish();
  for (AtomicFile& file : files_) file.put_in_place();
  for (const AtomicFile& file : files_) file.sync_folder();
}

void require_writable_folder(const std::filesystem::path& folder, std::string_view flag) {
  const std::filesystem::path where = folder.empty() ? std::filesystem::path(".") : folder;
  std::error_code made;
  std::filesystem::create_directories(where, made);
  require(!made, "{} {}: cannot be made: {}", flag, where.string(), made.message());
  std::string name = (where / ".qcface-writable-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  require(fd >= 0, "{} {}: cannot be written: {}", flag, where.string(), std::strerror(errno));
  ::close(fd);
  ::unlink(name.c_str());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void read_file(const std::filesystem::path& path, const std::function<void(std::string_view)>& take) {
  const int fd = open_regular(path);
  char block[1 << 16];
  ssize_t got = 0;
  int code = 0;
  try {
    while ((got = ::read(fd, block, sizeof block)) > 0 || (got < 0 && errno == EINTR)) {
      if (got > 0) take({block, static_cast<std::size_t>(got)});
    }
    code = errno;
  } catch (...) {
    ::close(fd);
    throw;
  }
  ::close(fd);
  require(got == 0, "{}: read failed: {}", path.string(), std::strerror(code));
}

std::string read_file(const std::filesystem::path& path) {
  std::string content;
  read_file(path, [&content](std::string_view block) { content += block; });
  return content;
}

}  // namespace qcface
