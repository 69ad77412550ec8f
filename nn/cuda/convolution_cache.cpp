#include "nn/cuda/convolution_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"

namespace qcface::nn::cuda {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstLine = "qcface convolution plans 1";

/// Held by one process at a time; the file itself is replaced, so the lock has a file of its own.
class FileLock {
 public:
  explicit FileLock(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    require(fd_ >= 0, "{} cannot be opened", path.string());
    if (::flock(fd_, LOCK_EX) != 0) {
      ::close(fd_);
      fail("{} cannot be locked", path.string());
    }
  }
  ~FileLock() { ::close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

/// False for anything but a whole file of this format.
bool parse(std::string_view text, std::map<std::string, std::string>& entries) {
  bool first = true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;  // cut short
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (first) {
      if (line != kFirstLine) return false;
      first = false;
      continue;
    }
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || tab == 0 || tab + 1 == line.size() ||
        line.find('\t', tab + 1) != std::string_view::npos)
      return false;
    entries.emplace(line.substr(0, tab), line.substr(tab + 1));
  }
  return !first;
}

}  // namespace

PlanCache::PlanCache(fs::path file) : file_(std::move(file)) {
  if (enabled()) entries_ = read();
}

std::string PlanCache::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::string() : found->second;
}

std::string PlanCache::keep(const std::string& key, const std::string& plan) {
  if (!enabled()) return plan;
  const auto clean = [](const std::string& s) {
    return !s.empty() && s.find_first_of("\t\n") == std::string::npos;
  };
  require(clean(key) && clean(plan), "plan cache: '{}' for '{}' is empty or holds a tab or line end", plan,
          key);
  entries_[key] = plan;
  try {
    fs::create_directories(file_.parent_path());
    const FileLock lock(file_.string() + ".lock");
    std::map<std::string, std::string> all = read();
    const auto [entry, added] = all.emplace(key, plan);
    if (!added) return entries_[key] = entry->second;
    std::string text(kFirstLine);
    for (const auto& [k, v] : all) text += fmt::format("\n{}\t{}", k, v);
    write_file_atomically(file_, text + "\n");
  } catch (const std::exception& error) {
    complain(fmt::format("convolution plans are not kept: {}; see QCFACE_PLAN_CACHE", error.what()));
  }
  return plan;
}

std::map<std::string, std::string> PlanCache::read() {
  std::map<std::string, std::string> entries;
  std::error_code ignored;
  if (!fs::exists(file_, ignored)) return entries;
  try {
    if (parse(read_file(file_), entries)) return entries;
    complain(fmt::format("{} is no whole file of convolution plans; it is ignored and will be written anew",
                         file_.string()));
  } catch (const Error& error) {
    complain(fmt::format("convolution plans are not read: {}", error.what()));
  }
  entries.clear();
  return entries;
}

void PlanCache::complain(const std::string& message) {
  if (!complained_) log::warn("{}", message);
  complained_ = true;
}

fs::path plan_cache_file() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  constexpr const char* kName = "convolutions.txt";
  if (const std::string own = variable("QCFACE_PLAN_CACHE"); !own.empty())
    return own == "off" ? fs::path() : fs::path(own) / kName;
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "qcface" / kName;
  if (const std::string home = variable("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "qcface" / kName;
  return {};
}

}  // namespace qcface::nn::cuda
