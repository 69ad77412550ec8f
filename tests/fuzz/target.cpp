#include "tests/fuzz/target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace qcface::fuzz {

std::map<std::string, Reader>& targets() {
  static std::map<std::string, Reader> all;
  return all;
}

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

const std::string& file_of(Bytes bytes) {
  static const int fd = ::memfd_create("qcface-fuzz", MFD_CLOEXEC);
  static const std::string path = fmt::format("/proc/self/fd/{}", fd);
  expect(fd >= 0 && ::ftruncate(fd, 0) == 0 &&
             ::pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
         "the file in memory cannot be written");
  return path;
}

void run(Reader read, Bytes bytes) {
  static const bool quiet = (spdlog::set_level(spdlog::level::off), true);
  (void)quiet;
  try {
    read(bytes);
  } catch (const Error& error) {
    constexpr std::size_t kLongestSentence = 10'000;
    std::string text = error.what();
    std::erase(text, '\\');  // printable() writes them twice
    if (!text.empty() && text.size() < kLongestSentence && printable(text, kLongestSentence) == text) return;
    std::fprintf(stderr, "fuzz: an error that is too long or cannot be printed: %s\n",
                 printable(text, kLongestSentence).c_str());
    std::abort();
  }
}

}  // namespace qcface::fuzz
