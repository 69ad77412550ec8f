#include "harness/convert/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/open_file.h"

namespace qcface::convert {
namespace {
constexpr std::size_t kBuffer = std::size_t{1} << 20;
}

std::filesystem::path PartFile::part_of(const std::filesystem::path& path) {
  std::filesystem::path part = path;
  part += ".part";
  return part;
}

PartFile::PartFile(std::filesystem::path path) : path_(std::move(path)), part_(part_of(path_)) {}

PartFile::~PartFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::uint64_t PartFile::left_bytes() const {
  struct stat status {};
  if (::stat(part_.c_str(), &status) != 0) return 0;
  require(S_ISREG(status.st_mode), "{}: is {}, expected a regular file or a name that is free",
          part_.string(), kind_of_file(status.st_mode));
  return static_cast<std::uint64_t>(status.st_size);
}

void PartFile::open_at(std::uint64_t bytes) {
  fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  require(fd_ >= 0, "{}: cannot be created: {}; check that the folder exists and can be written",
          part_.string(), std::strerror(errno));
  require(::ftruncate(fd_, static_cast<off_t>(bytes)) == 0 &&
              ::lseek(fd_, static_cast<off_t>(bytes), SEEK_SET) == static_cast<off_t>(bytes),
          "{}: cannot be cut to {} bytes: {}", part_.string(), bytes, std::strerror(errno));
  written_ = bytes;
  buffer_.reserve(kBuffer);
}

void PartFile::write_out(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, data, std::min(bytes, std::size_t{64} << 20));
    if (written < 0 && errno == EINTR) continue;
    require(written > 0,
            "{}: write failed: {}; what was done before is kept: make room and give the same command again",
            part_.string(), std::strerror(errno));
    data += written;
    bytes -= static_cast<std::size_t>(written);
    written_ += static_cast<std::uint64_t>(written);
  }
}

void PartFile::flush() {
  write_out(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void PartFile::write(const void* data, std::size_t bytes) {
  if (buffer_.size() + bytes > kBuffer) flush();
  if (bytes >= kBuffer) {
    write_out(static_cast<const char*>(data), bytes);
  } else {
    buffer_.append(static_cast<const char*>(data), bytes);
  }
}

void PartFile::zeros(std::size_t bytes) {
  static constexpr char kZeros[4096] = {};
  for (; bytes > sizeof kZeros; bytes -= sizeof kZeros) write(kZeros, sizeof kZeros);
  write(kZeros, bytes);
}

void PartFile::sync() {
  flush();
  require(::fdatasync(fd_) == 0,
          "{}: sync failed: {}; what was done before is kept: make room and give the same command again",
          part_.string(), std::strerror(errno));
}

void PartFile::put_in_place() {
  sync();
  require(::close(std::exchange(fd_, -1)) == 0, "{}: close failed: {}", part_.string(), std::strerror(errno));
  require(::rename(part_.c_str(), path_.c_str()) == 0, "{}: cannot be put in place: {}", path_.string(),
          std::strerror(errno));
  sync_folder(path_.parent_path());
}

void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace qcface::convert
