#include "nn/device_communicator.h"

#include <vector>

#include "tests/support/catch.h"

using namespace qcface::nn;

TEST_CASE("device communicator: ranks that use one GPU are found, wherever they are") {
  GpuId a{}, b{}, c{};
  a[0] = 1;
  b[15] = 1;
  c[15] = 2;
  using Pair = std::pair<int, int>;
  const auto found = [](const std::vector<GpuId>& gpus) { return ranks_on_one_gpu(gpus); };
  REQUIRE_FALSE(found({a}));
  REQUIRE_FALSE(found({a, b, c}));
  REQUIRE(found({a, a}) == Pair(0, 1));
  REQUIRE(found({a, b, a}) == Pair(0, 2));
  REQUIRE(found({a, b, c, c}) == Pair(2, 3));
  REQUIRE(found({b, a, c, a, b}) == Pair(0, 4));
}
