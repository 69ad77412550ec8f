#include "harness/convert/in_order.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/support/catch.h"

namespace qcface::test {
namespace {

TEST_CASE("results come in order, each once, whatever the number of threads", "[in_order]") {
  for (const int threads : {1, 2, 7}) {
    for (const std::int64_t count : {0, 1, 15, 16, 17, 1000}) {
      std::vector<std::int64_t> taken;
      std::atomic<int> workers{0};
      convert::for_each_in_order<std::int64_t>(
          5, 5 + count, threads,
          [&] {
            ++workers;
            return [](std::int64_t i, std::int64_t& item) {
              if (i % 37 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
              item = i * i;
            };
          },
          [&](std::int64_t i, std::int64_t& item) {
            REQUIRE(item == i * i);
            taken.push_back(i);
          });
      std::vector<std::int64_t> expected;
      for (std::int64_t i = 5; i < 5 + count; ++i) expected.push_back(i);
      REQUIRE(taken == expected);
      REQUIRE(workers <= threads);
    }
  }
}

TEST_CASE("an exception of a worker comes back in its turn, one of the taker at once", "[in_order]") {
  for (const int threads : {1, 4}) {
    std::int64_t last = -1;
    const auto run = [&](std::int64_t bad_work, std::int64_t bad_take) {
      convert::for_each_in_order<int>(
          0, 500, threads,
          [&] { return [&](std::int64_t i, int&) { require(i != bad_work, "work {} failed", i); }; },
          [&](std::int64_t i, int&) {
            require(i != bad_take, "take {} failed", i);
            last = i;
          });
    };
    REQUIRE_THROWS_WITH(run(100, -1), "work 100 failed");
    REQUIRE(last < 100);
    REQUIRE_THROWS_WITH(run(-1, 200), "take 200 failed");
    REQUIRE(last == 199);
  }
}

}  // namespace
}  // namespace qcface::test
