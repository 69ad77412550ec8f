#include "harness/data/align/align_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/data/image.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

// "<source> <bytes> <CRC-32> <width>x<height>" of a crop: what was made of what.
std::string line_of(const std::string& source, PictureSize size, std::span<const std::uint8_t> file) {
  const auto crc = ::crc32_z(::crc32_z(0, nullptr, 0), file.data(), file.size());
  return fmt::format("{} {} {:08x} {}x{}", source, file.size(), crc, size.width, size.height);
}

std::string read_descriptor(int fd, const fs::path& path) {
  std::string content;
  char block[1 << 16];
  ssize_t got = 0;
  while ((got = ::read(fd, block, sizeof block)) > 0) content.append(block, static_cast<std::size_t>(got));
  require(got == 0, "{}: read failed: {}", path.string(), std::strerror(errno));
  return content;
}

void append(int fd, const fs::path& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    require(written > 0, "{}: write failed: {}; free some space and call again: the crops so far are kept",
            path.string(), std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

AlignJournal::AlignJournal(const fs::path& out, const std::string& options)
    : out_(out), path_(out / "align.journal") {
  std::error_code error;
  const bool begun = fs::exists(path_, error);
  require(begun || !fs::exists(out_, error) || fs::is_empty(out_, error),
          "--out {}: is not empty and holds no aligned pictures; choose another folder, or empty this one",
          out_.string());
  require_writable_folder(out_, "--out");
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  require(fd_ >= 0, "{}: cannot be opened: {}", path_.string(), std::strerror(errno));
  try {
    require(::flock(fd_, LOCK_EX | LOCK_NB) == 0, "--out {}: another call is aligning into this folder",
            out_.string());
    const std::string text = read_descriptor(fd_, path_);
    const std::size_t head = text.find('\n');
    if (head == std::string::npos) {  // new, or stopped before its first line was whole
      require(::ftruncate(fd_, 0) == 0, "{}: cannot be written: {}", path_.string(), std::strerror(errno));
      append(fd_, path_, options + "\n");
      return;
    }
    require(
        std::string_view(text).substr(0, head) == options,
        "--out {}: holds pictures aligned with other options ({}); choose another folder, or delete this one",
        out_.string(), text.substr(0, head));
    std::size_t at = head + 1;
    for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string_view line = std::string_view(text).substr(at, end - at);
      const std::size_t tab = line.find('\t');
      if (tab != std::string_view::npos) lines_[std::string(line.substr(tab + 1))] = line.substr(0, tab);
    }
    // Half a line of a call that was killed.
    require(::ftruncate(fd_, static_cast<off_t>(at)) == 0, "{}: cannot be written: {}", path_.string(),
            std::strerror(errno));
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

AlignJournal::~AlignJournal() { ::close(fd_); }

std::optional<PictureSize> AlignJournal::find(const std::string& crop, const std::string& source) const {
  const auto known = lines_.find(crop);
  if (source.empty() || known == lines_.end()) return std::nullopt;
  const std::string& line = known->second;
  PictureSize size;
  if (std::sscanf(line.c_str() + std::min(line.rfind(' '), line.size()), "%9dx%9d", &size.width,
                  &size.height) != 2)
    return std::nullopt;
  std::vector<std::uint8_t> buffer;
  std::span<const std::uint8_t> bytes;
  if (!ImageDecoder::read_file((out_ / crop).string(), buffer, bytes).ok()) return std::nullopt;
  return line_of(source, size, bytes) == line ? std::optional(size) : std::nullopt;
}

void AlignJournal::add(const std::string& crop, const std::string& source, PictureSize size,
                       std::span<const std::uint8_t> file) {
  const std::string line = line_of(source, size, file) + "\t" + crop + "\n";
  const std::lock_guard lock(mutex_);
  append(fd_, path_, line);
}

void AlignJournal::sync() const {
  require(::syncfs(fd_) == 0, "--out {}: sync failed: {}; call again: the crops so far are kept",
          out_.string(), std::strerror(errno));
}

}  // namespace qcface::data
