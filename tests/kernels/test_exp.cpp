// The exponential of the inner loops against std::exp, over every 97th float of its range.
#include <cmath>
#include <cstring>

#include "kernels/cpu/exp.h"
#include "tests/support/catch.h"

namespace qcface::kernels {
namespace {

TEST_CASE("fast_exp: relative error below 1.2e-7, exactly 0 far below") {
  double worst = 0;
  const auto scan = [&](float from, float to) {
    std::uint32_t first, last;
    std::memcpy(&first, &from, 4);
    std::memcpy(&last, &to, 4);
    for (std::uint32_t bits = first; bits <= last; bits += 97) {
      float x;
      std::memcpy(&x, &bits, 4);
      const double want = std::exp(static_cast<double>(x));
      worst = std::fmax(worst, std::fabs(static_cast<double>(fast_exp(x)) / want - 1));
    }
  };
  scan(1e-8f, 88.0f);
  scan(-1e-8f, -87.0f);
  INFO("worst " << worst);
  REQUIRE(worst <= 1.2e-7);
  REQUIRE(fast_exp(0.0f) == 1.0f);
  for (const float x : {-87.01f, -100.0f, -1e9f, -1e22f, -3e38f}) REQUIRE(fast_exp(x) == 0.0f);
}

}  // namespace
}  // namespace qcface::kernels
