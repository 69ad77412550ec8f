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

namespace {

constexpr std::size_t kLongestSentence = 10'000;

// Without clang's coverage: the same loop over every sentence would only teach libFuzzer lengths of sentences.
#if defined(__clang__)
__attribute__((no_sanitize("coverage")))
#endif
bool plain_ascii(const std::string& text) {
  const char* const data = text.data();
  for (std::size_t i = 0, size = text.size(); i < size; ++i) {
    if (data[i] < ' ' || data[i] > '~') return false;
  }
  return true;
}

}  // namespace

bool can_be_printed(std::string text) {
  if (text.empty() || text.size() >= kLongestSentence) return false;
  if (plain_ascii(text)) return true;
  std::erase(text, '\\');  // printable() writes them twice
  return printable(text, kLongestSentence) == text;
}

void run(Reader read, Bytes bytes) {
  static const bool quiet = (spdlog::set_level(spdlog::level::off), true);
  (void)quiet;
  try {
    read(bytes);
  } catch (const Error& error) {
    if (can_be_printed(error.what())) return;
    std::fprintf(stderr, "fuzz: an error that is too long or cannot be printed: %s\n",
                 printable(error.what(), kLongestSentence).c_str());
    std::abort();
  }
}

}  // namespace qcface::fuzz
