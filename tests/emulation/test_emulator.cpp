// The emulator itself: every thread runs, barriers hold, memory ends where it should.
#include <cmath>
#include <vector>

#include "tests/emulation/basic_kernels.h"
#include "tests/support/catch.h"
#include "tests/support/device_buffer.h"
#include "tests/support/emulation_modes.h"

namespace qcface::test {

TEST_CASE("block reduction gives the row sums of every type", "[emulation]") {
  for_each_mode([] {
    for (const int columns : {1, 31, 32, 127, 128, 129, 1000}) {
      std::vector<float> x(static_cast<std::size_t>(3 * columns));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7 % 13) - 6);
      const DeviceBuffer<float> device_x(x);
      DeviceBuffer<float> sums(3);
      REQUIRE(run_sum_rows(device_x.data(), sums.data(), 3, columns, nullptr) == cudaSuccess);
      const std::vector<float> got = sums.host();
      for (int r = 0; r < 3; ++r) {
        double want = 0;
        for (int c = 0; c < columns; ++c) want += x[static_cast<std::size_t>(r * columns + c)];
        REQUIRE(got[static_cast<std::size_t>(r)] == want);
      }
    }
  });
}

TEST_CASE("tiles go through dynamic shared memory", "[emulation]") {
  for_each_mode([] {
    const int rows = 45, columns = 70;
    std::vector<float> x(static_cast<std::size_t>(rows * columns));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
    const DeviceBuffer<float> device_x(x);
    DeviceBuffer<float> y(x.size());
    REQUIRE(run_transpose(device_x.data(), y.data(), rows, columns, nullptr) == cudaSuccess);
    const std::vector<float> got = y.host();
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        REQUIRE(got[static_cast<std::size_t>(c * rows + r)] == x[static_cast<std::size_t>(r * columns + c)]);
      }
    }
  });
}

}  // namespace qcface::test
