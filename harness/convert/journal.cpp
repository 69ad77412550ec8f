#include "harness/convert/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/json.h"
#include "core/open_file.h"
#include "core/text.h"

namespace qcface::convert {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstLine = "qcface journal 1\n";

struct BlockHead {
  std::uint64_t bytes;
  std::uint64_t checksum;
};

std::string start_over(const fs::path& journal, const std::vector<fs::path>& others) {
  std::string text = "to start over, remove " + journal.string();
  for (const fs::path& other : others) text += " and " + other.string();
  return text;
}

void write_all(int fd, std::string_view bytes, std::uint64_t at, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    require(written > 0,
            "{}: write failed: {}; what was done before is kept: make room and give the same command again",
            path.string(), std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  require(::fdatasync(fd) == 0, "{}: sync failed: {}", path.string(), std::strerror(errno));
}

}  // namespace

Journal::Journal(fs::path path, const nlohmann::ordered_json& work, const std::vector<fs::path>& others)
    : path_(std::move(path)) {
  struct stat status {};
  require(::stat(path_.c_str(), &status) != 0 || S_ISREG(status.st_mode),
          "{}: is {}, expected a regular file or a name that is free", path_.string(),
          kind_of_file(status.st_mode));
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  require(fd_ >= 0, "{}: cannot be opened: {}; check that the folder exists and can be written",
          path_.string(), std::strerror(errno));
  try {
    require(::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK,
            "{}: another process is at this work; wait for its end", path_.string());
    require(::fstat(fd_, &status) == 0, "{}: {}", path_.string(), std::strerror(errno));
    if (status.st_size == 0) {
      create(fmt::format("{}{}\n", kFirstLine, work.dump()));
    } else {
      take_up(work, others);
    }
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Journal::~Journal() { ::close(fd_); }

void Journal::create(const std::string& head) {
  write_all(fd_, head, 0, path_);
  end_ = head.size();
}

void Journal::take_up(const nlohmann::ordered_json& work, const std::vector<fs::path>& others) {
  const std::string text = read_file(path_);
  const std::size_t line = text.find('\n', kFirstLine.size());
  // A call that was stopped in its first moment has left a part of the head, and nothing else.
  const bool cut =
      line == std::string::npos && (text.starts_with(kFirstLine) || kFirstLine.starts_with(text));
  if (cut) {
    require(::ftruncate(fd_, 0) == 0, "{}: {}", path_.string(), std::strerror(errno));
    create(fmt::format("{}{}\n", kFirstLine, work.dump()));
    return;
  }
  require(text.starts_with(kFirstLine) && line != std::string::npos,
          "{}: is no journal of this program; remove it, or choose another name", path_.string());
  const std::string head = text.substr(kFirstLine.size(), line - kFirstLine.size());
  const auto before = try_parse_json<nlohmann::ordered_json>(head);
  require(before && before->is_object(), "{}: its first lines are damaged; {}", path_.string(),
          start_over(path_, others));
  if (*before != work) {
    std::string differences;
    for (const auto& [key, value] : work.items()) {
      if (before->contains(key) && (*before)[key] == value) continue;
      const std::string was = before->contains(key) ? (*before)[key].dump() : "nothing";
      differences += fmt::format("{}{} was {}, is {}", differences.empty() ? "" : "; ", key,
                                 printable(was, 300), printable(value.dump(), 300));
    }
    fail("{}: belongs to a call that was not the same ({}). Give that call again, or {}", path_.string(),
         differences.empty() ? "another version" : differences, start_over(path_, others));
  }
  end_ = line + 1;
  while (text.size() - end_ >= sizeof(BlockHead)) {
    BlockHead block{};
    std::memcpy(&block, text.data() + end_, sizeof block);
    const std::size_t begin = end_ + sizeof block;
    if (block.bytes > text.size() - begin) break;
    if (checksum(text.data() + begin, block.bytes) != block.checksum) break;
    blocks_.emplace_back(text, begin, block.bytes);
    end_ = begin + block.bytes;
  }
  require(::ftruncate(fd_, static_cast<off_t>(end_)) == 0, "{}: {}", path_.string(), std::strerror(errno));
}

void Journal::append(std::string_view block) {
  const BlockHead head{block.size(), checksum(block.data(), block.size())};
  std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
  bytes += block;
  write_all(fd_, bytes, end_, path_);
  end_ += bytes.size();
}

void Journal::remove() { ::unlink(path_.c_str()); }

std::string describe_place(const fs::path& place) {
  std::string text = to_json_text(place.string());
  struct stat status {};
  if (::stat(place.c_str(), &status) == 0 && S_ISREG(status.st_mode))
    text +=
        fmt::format(" ({} bytes of {}.{:09})", status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  return text;
}

}  // namespace qcface::convert
