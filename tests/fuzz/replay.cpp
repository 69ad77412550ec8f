// Gives files to a fuzz target, without libFuzzer: what fuzzing found once stays a test of every build.
//   qcface_fuzz_replay NAME PATH...     files, folders (all files below them) or patterns
#include <glob.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "tests/fuzz/target.h"

// As libFuzzer's -malloc_limit_mb=256: a length that a file claims must not become memory, in our code or in a library.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=256"; }
extern "C" const char* __tsan_default_options() { return "max_allocation_size_mb=256"; }
#else
// The program's own take the place of the C library's in all shared libraries too; operator new calls them.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

static std::size_t checked(std::size_t bytes) {
  constexpr std::size_t kLargestAllocation = std::size_t{256} << 20;
  if (bytes <= kLargestAllocation) return bytes;
  std::fprintf(stderr, "fuzz: an allocation of %zu bytes\n", bytes);
  std::abort();
}

extern "C" {
void* malloc(std::size_t bytes) noexcept { return __libc_malloc(checked(bytes)); }
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  checked(count > 0 && bytes > SIZE_MAX / count ? SIZE_MAX : count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept { return __libc_realloc(memory, checked(bytes)); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return __libc_memalign(alignment, checked(bytes));
}
}
#endif

namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_of(const char* pattern) {
  std::vector<std::string> files;
  glob_t found{};
  if (::glob(pattern, 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      const fs::path path = found.gl_pathv[i];
      if (fs::is_regular_file(path)) files.push_back(path.string());
      if (!fs::is_directory(path)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) files.push_back(entry.path().string());
      }
    }
  }
  ::globfree(&found);
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  const auto target = qcface::fuzz::targets().find(argc > 1 ? argv[1] : "");
  if (target == qcface::fuzz::targets().end()) {
    std::fprintf(stderr, "usage: qcface_fuzz_replay NAME PATH...; the names are:\n");
    for (const auto& [name, read] : qcface::fuzz::targets()) std::fprintf(stderr, "  %s\n", name.c_str());
    return 2;
  }
  std::size_t count = 0;
  for (int i = 2; i < argc; ++i) {
    for (const std::string& file : files_of(argv[i])) {
      std::printf("%s\n", file.c_str());  // the last line names the one that ended the process
      std::fflush(stdout);
      const std::string content = qcface::read_file(file);
      // Of exactly its size, so that AddressSanitizer sees the first byte behind it.
      const auto bytes = std::make_unique<std::uint8_t[]>(content.size());
      std::copy(content.begin(), content.end(), bytes.get());
      qcface::fuzz::run(target->second, {bytes.get(), content.size()});
      ++count;
    }
  }
  std::printf("%s: %zu files\n", argv[1], count);
  return count > 0 ? 0 : 1;
}
