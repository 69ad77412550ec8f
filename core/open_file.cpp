#include "core/open_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace qcface {

const char* kind_of_file(unsigned mode) {
  if (S_ISREG(mode)) return "a regular file";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

int try_open_regular(const std::filesystem::path& path, std::string& problem) {
  // The kind is looked at first because opening a device can act on it (a tape rewinds), and again on the descriptor
  // because the name may have come to mean another file in between.
  struct stat status {};
  const auto refuse_kind = [&] {
    if (S_ISREG(status.st_mode)) return false;
    problem = fmt::format("is {}, expected a regular file", kind_of_file(status.st_mode));
    return true;
  };
  if (::stat(path.c_str(), &status) != 0) {
    problem = std::strerror(errno);
    return -1;
  }
  if (refuse_kind()) return -1;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    problem = std::strerror(errno);
    return -1;
  }
  if (::fstat(fd, &status) == 0 && !refuse_kind()) return fd;
  if (problem.empty()) problem = std::strerror(errno);
  ::close(fd);
  return -1;
}

int open_regular(const std::filesystem::path& path) {
  std::string problem;
  const int fd = try_open_regular(path, problem);
  require(fd >= 0, "{}: cannot be opened: {}", path.string(), problem);
  return fd;
}

MappedFile map_file(const std::filesystem::path& path) {
  MappedFile file{path.string(), {}, nullptr};
  const int fd = open_regular(path);
  struct stat status {};
  const std::size_t bytes = ::fstat(fd, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
  void* const address = bytes > 0 ? ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  ::close(fd);
  require(address != MAP_FAILED, "{}: cannot be mapped: {}", file.path, std::strerror(errno));
  if (address == nullptr) return file;
  file.memory = {static_cast<const std::byte*>(address),
                 [bytes](const std::byte* start) { ::munmap(const_cast<std::byte*>(start), bytes); }};
  file.bytes = {file.memory.get(), bytes};
  return file;
}

void give_back_pages(const MappedFile& file) {
  // A hint: what fails here costs memory.
  if (!file.bytes.empty())
    ::madvise(const_cast<std::byte*>(file.bytes.data()), file.bytes.size(), MADV_DONTNEED);
}

}  // namespace qcface
