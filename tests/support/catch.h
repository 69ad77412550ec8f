// Catch2 of either generation (2.13 in Debian 12, 3.x elsewhere) under one name, and a skip that is seen.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <string>

namespace qcface::test {

/// Matches texts that contain `part`, under the name of either generation.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Contains(part);
#endif
}

}  // namespace qcface::test

// Prints the reason and leaves the test case. ctest turns the marker into "Skipped", never into a pass
// (SKIP_REGULAR_EXPRESSION in tests/CMakeLists.txt). Catch2 2.13 has no SKIP of its own.
#define QCFACE_SKIP(reason)                      \
  do {                                           \
    std::printf("[qcface-skip] %s\n", (reason)); \
    std::fflush(stdout);                         \
    SUCCEED("skipped");                          \
    return;                                      \
  } while (false)
