// The emulator itself: every thread runs, barriers hold, memory ends where it should.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
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

TEST_CASE("every thread of a grid runs once, in any shape", "[emulation]") {
  for_each_mode([] {
    const dim3 grids[] = {dim3(1), dim3(5), dim3(2, 3, 4)};
    const dim3 blocks[] = {dim3(1), dim3(33), dim3(4, 5, 6), dim3(1024)};
    for (const dim3& grid : grids) {
      for (const dim3& block : blocks) {
        const unsigned threads = block.x * block.y * block.z;
        DeviceBuffer<int> out(grid.x * grid.y * grid.z * threads);
        REQUIRE(run_places(grid, block, out.data()) == cudaSuccess);
        const std::vector<int> got = out.host();
        bool right = true;
        for (std::size_t i = 0; i < got.size(); ++i) {
          const unsigned thread = static_cast<unsigned>(i) % threads;
          const unsigned lanes = std::min(32u, threads - thread / 32 * 32);
          right = right && got[i] == static_cast<int>(100 * i + lanes);
        }
        REQUIRE(right);
      }
    }
  });
}

TEST_CASE("atomics and counting barriers", "[emulation]") {
  for_each_mode([] {
    DeviceBuffer<int> sum(std::vector<int>{5}), even(std::vector<int>{0});
    DeviceBuffer<unsigned> largest(std::vector<unsigned>{3});
    REQUIRE(run_atomics(3, 70, sum.data(), largest.data(), even.data()) == cudaSuccess);
    REQUIRE(sum.host()[0] == 5 + 210 * 209 / 2);
    REQUIRE(largest.host()[0] == 209);
    REQUIRE(even.host()[0] == 105);
  });
}

TEST_CASE("the order of threads follows the settings, and a seed gives the same order again", "[emulation]") {
  const int threads = 96;
  const emulation::Options before = emulation::options();
  const auto order = [&](emulation::Order which, std::uint64_t seed) {
    emulation::options().order = which;
    emulation::options().seed = seed;
    DeviceBuffer<int> next(std::vector<int>{0}), arrived(static_cast<std::size_t>(threads));
    REQUIRE(run_arrivals(threads, next.data(), arrived.data()) == cudaSuccess);
    return arrived.host();
  };
  std::vector<int> forward(threads);
  std::iota(forward.begin(), forward.end(), 0);
  REQUIRE(order(emulation::Order::kForward, 1) == forward);
  REQUIRE(order(emulation::Order::kReverse, 1) == std::vector<int>(forward.rbegin(), forward.rend()));
  const std::vector<int> turns = order(emulation::Order::kRoundRobin, 1);
  REQUIRE(turns[0] == 0);
  REQUIRE(turns[1] == 32);
  REQUIRE(turns[2] == 64);
  REQUIRE(turns[3] == 1);
  const std::vector<int> random = order(emulation::Order::kRandom, 7);
  REQUIRE(random != forward);
  REQUIRE(random == order(emulation::Order::kRandom, 7));
  REQUIRE(random != order(emulation::Order::kRandom, 8));
  emulation::options() = before;
}

TEST_CASE("what a kernel throws reaches the caller, and the next launch runs", "[emulation]") {
  for_each_mode([] {
    REQUIRE_THROWS_AS(run_throwing(64), std::logic_error);
    DeviceBuffer<int> sum(std::vector<int>{0}), even(std::vector<int>{0});
    DeviceBuffer<unsigned> largest(std::vector<unsigned>{0});
    REQUIRE(run_atomics(1, 64, sum.data(), largest.data(), even.data()) == cudaSuccess);
    REQUIRE(sum.host()[0] == 64 * 63 / 2);
  });
}

TEST_CASE("launches that no GPU takes are refused", "[emulation]") {
  DeviceBuffer<int> out(1);
  REQUIRE_THROWS_AS(run_places(dim3(1), dim3(1025), out.data()), emulation::Error);
  REQUIRE_THROWS_AS(run_places(dim3(1), dim3(0), out.data()), emulation::Error);
  REQUIRE_THROWS_AS(run_places(dim3(0), dim3(32), out.data()), emulation::Error);
  REQUIRE_THROWS_AS(run_places(dim3(1, 65536), dim3(32), out.data()), emulation::Error);
}

TEST_CASE("the pretended device can be another", "[emulation]") {
  const emulation::Device before = emulation::device();
  emulation::device().major = 8;
  emulation::device().minor = 0;
  emulation::device().name = "another";
  cuda::DeviceFacts facts;
  REQUIRE(cuda::device_facts(0, &facts) == cudaSuccess);
  REQUIRE(facts.architecture() == 80);
  REQUIRE(facts.name == "another");
  REQUIRE(cuda::device_facts(1, &facts) == cudaErrorInvalidDevice);
  emulation::device() = before;
}

TEST_CASE("16-bit floats survive every pattern of bits", "[emulation]") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto pattern = static_cast<unsigned short>(bits);
    const float h = __half2float(__ushort_as_half(pattern)),
                b = __bfloat162float(__ushort_as_bfloat16(pattern));
    const unsigned short h_again = __half_as_ushort(__float2half_rn(h));
    const unsigned short b_again = __bfloat16_as_ushort(__float2bfloat16_rn(b));
    if (h_again != (std::isnan(h) ? 0x7FFF : pattern) || b_again != (std::isnan(b) ? 0x7FFF : pattern)) {
      FAIL("pattern " << bits);
    }
    // Half-way to the next number goes to the even one.
    if ((bits & 0x7FFF) >= 0x7BFF) continue;
    const float h_next = __half2float(__ushort_as_half(static_cast<unsigned short>(bits + 1)));
    const unsigned short middle = __half_as_ushort(__float2half_rn((h + h_next) / 2));
    if (middle != (bits % 2 == 0 ? bits : bits + 1)) FAIL("middle above pattern " << bits);
  }
  SUCCEED();
}

TEST_CASE("a late stream shows who forgot to wait", "[emulation]") {
  cudaStream_t side = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking) == cudaSuccess);
  cudaEvent_t made = nullptr, done = nullptr;
  REQUIRE(cudaEventCreateWithFlags(&made, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&done, cudaEventDisableTiming) == cudaSuccess);
  // The default stream fills a buffer twice; the other one copies it in between.
  const auto copied = [&](bool wait_for_made, bool wait_for_done, bool main_late) {
    DeviceBuffer<unsigned char> buffer(1), copy(1);
    emulation::LateStream late(main_late ? nullptr : side);
    REQUIRE(cudaMemsetAsync(buffer.data(), 1, 1, nullptr) == cudaSuccess);
    REQUIRE(cudaEventRecord(made, nullptr) == cudaSuccess);
    if (wait_for_made) REQUIRE(cudaStreamWaitEvent(side, made, 0) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(copy.data(), buffer.data(), 1, cudaMemcpyDeviceToDevice, side) == cudaSuccess);
    REQUIRE(cudaEventRecord(done, side) == cudaSuccess);
    if (wait_for_done) REQUIRE(cudaStreamWaitEvent(nullptr, done, 0) == cudaSuccess);
    REQUIRE(cudaMemsetAsync(buffer.data(), 2, 1, nullptr) == cudaSuccess);
    return copy.host()[0];
  };
  REQUIRE(copied(true, true, false) == 1);
  REQUIRE(copied(true, true, true) == 1);
  REQUIRE(copied(true, false, false) == 2);    // overwritten before it was read
  REQUIRE(copied(false, true, true) == 0xFF);  // read before it was made
  REQUIRE(cudaEventDestroy(made) == cudaSuccess);
  REQUIRE(cudaEventDestroy(done) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(side) == cudaSuccess);
}

}  // namespace qcface::test
