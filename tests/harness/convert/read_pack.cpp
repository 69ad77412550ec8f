// Opens a pack with nothing but target qcface_packs, and prints what it holds, what it took and which libraries this
// process has loaded.
#include <link.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <vector>

#include "core/checksum.h"
#include "harness/data/sets/pack_set.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    const auto begin = std::chrono::steady_clock::now();
    const qcface::data::PackSet set(argv[1]);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("pictures %lld classes %lld size %d x %d\n", static_cast<long long>(set.size()),
                static_cast<long long>(set.num_classes()), set.width(), set.height());
    std::printf("opened in %.3f s, peak %ld KiB\n", seconds, usage.ru_maxrss);
    std::vector<std::uint8_t> buffer;
    for (std::int64_t i = 0; i < set.size() && i < 5; ++i) {
      qcface::data::StoredPicture picture;
      if (!set.read(i, buffer, picture).ok()) return 1;
      std::printf("%lld label %lld bytes %zu checksum %016llx\n", static_cast<long long>(i),
                  static_cast<long long>(set.label(i)), picture.bytes.size(),
                  static_cast<unsigned long long>(qcface::checksum(picture.bytes)));
    }
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void*) {
        std::printf("library %s\n", info->dlpi_name);
        return 0;
      },
      nullptr);
  return 0;
}
