#include <atomic>
#include <stdexcept>
#include <vector>

#include "kernels/device/parallel.h"
#include "tests/support/catch.h"

namespace qcface {
namespace {

TEST_CASE("parallel_for: every index once, workers in range, results seen afterwards") {
  for (const int threads : {0, 1, 2, 5}) {
    for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<int> seen(static_cast<std::size_t>(count), 0);
      std::atomic<int> outside{0};
      parallel_for_worker(count, threads, [&](std::int64_t i, int worker) {
        ++seen[static_cast<std::size_t>(i)];
        if (worker < 0 || worker >= resolve_threads(threads)) ++outside;
      });
      for (const int times : seen) REQUIRE(times == 1);
      REQUIRE(outside == 0);
    }
  }
}

TEST_CASE("parallel_for_range: pieces do not depend on the threads") {
  for (const int threads : {1, 3}) {
    std::vector<std::int64_t> lengths(4, 0);
    parallel_for_range(10, 3, threads, [&](std::int64_t begin, std::int64_t end) {
      lengths[static_cast<std::size_t>(begin / 3)] = end - begin;
    });
    REQUIRE(lengths == std::vector<std::int64_t>{3, 3, 3, 1});
  }
}

TEST_CASE("parallel_for: an exception of a body comes out, nested loops run") {
  REQUIRE_THROWS_AS(parallel_for(100, 4,
                                 [](std::int64_t i) {
                                   if (i == 17) throw std::runtime_error("17");
                                 }),
                    std::runtime_error);
  std::atomic<int> sum{0};
  parallel_for(4, 2, [&](std::int64_t) { parallel_for(5, 2, [&](std::int64_t) { ++sum; }); });
  REQUIRE(sum == 20);
}

}  // namespace
}  // namespace qcface
