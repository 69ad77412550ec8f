// Gathered arrays reduced in the order of the ranks, against the host's reduction.
#include "nn/cuda/reduce_parts.h"

#include <cmath>
#include <limits>

#include "core/comm/reduction.h"
#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface;
using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {

template <class T>
void check_bits(ElementType type) {
  for (const int ranks : {1, 2, 3, 8}) {
    for (const std::int64_t count : {1, 13, 700, 5003}) {
      std::vector<T> parts;
      for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(ranks * count); ++i)
        parts.push_back(static_cast<T>(std::ldexp(1000.0, static_cast<int>(i % 16)) * sym(18, 1, i)));
      if constexpr (std::is_floating_point_v<T>) {
        if (ranks > 2)
          parts[static_cast<std::size_t>(count + count / 2)] = std::numeric_limits<T>::quiet_NaN();
      }
      std::vector<const void*> places;
      for (int r = 0; r < ranks; ++r) places.push_back(parts.data() + r * count);
      for (const Reduce reduce : {Reduce::kSum, Reduce::kMax}) {
        std::vector<T> want(static_cast<std::size_t>(count));
        reduce_in_order(places, count, type, reduce, want.data());
        for_each_mode([&] {
          DeviceBuffer<T> on_device(parts);
          DeviceBuffer<T> out(static_cast<std::size_t>(count));
          reduce_parts(type, reduce, ranks, count, on_device.data(), out.data(), nullptr);
          const std::vector<T> got = out.host();
          for (std::size_t i = 0; i < want.size(); ++i)
            REQUIRE((got[i] == want[i] || (want[i] != want[i] && got[i] != got[i])));
          // In place: into the last part.
          reduce_parts(type, reduce, ranks, count, on_device.data(), on_device.data() + (ranks - 1) * count,
                       nullptr);
          const std::vector<T> all = on_device.host();
          for (std::size_t i = 0; i < want.size(); ++i) {
            const T last = all[static_cast<std::size_t>((ranks - 1) * count) + i];
            REQUIRE((last == want[i] || (want[i] != want[i] && last != last)));
          }
        });
      }
    }
  }
}

}  // namespace

TEST_CASE("cuda reduce_parts: sums and maxima have the host's bits") {
  QCFACE_NEED_DEVICE();
  check_bits<float>(ElementType::kF32);
  check_bits<double>(ElementType::kF64);
  check_bits<std::int32_t>(ElementType::kI32);
  check_bits<std::int64_t>(ElementType::kI64);
}

TEST_CASE("cuda reduce_parts: log-sum-exp of one rank's, of equal ones, and of none") {
  QCFACE_NEED_DEVICE();
  for (const int ranks : {1, 2, 5}) {
    std::vector<double> parts;
    for (int r = 0; r < ranks; ++r)
      for (const double value : {r == 0 ? 900.25 : -1e300, 2.0, -1e300, 10.0 * r}) parts.push_back(value);
    double sum = 0;
    for (int r = 0; r < ranks; ++r) sum += std::exp(10.0 * r);
    for_each_mode([&] {
      DeviceBuffer<double> on_device(parts);
      DeviceBuffer<double> out(4);
      reduce_parts(ElementType::kF64, Reduce::kLogSumExp, ranks, 4, on_device.data(), out.data(), nullptr);
      const std::vector<double> got = out.host();
      REQUIRE(got[0] == 900.25);
      REQUIRE(std::fabs(got[1] - (2 + std::log(ranks))) <= 1e-15);
      REQUIRE(got[2] == -1e300);
      REQUIRE(std::fabs(got[3] - std::log(sum)) <= 1e-14);
    });
  }
}
