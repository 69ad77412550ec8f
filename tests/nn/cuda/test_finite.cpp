// The search for values that are not finite, and the loss scale that follows it.
#include "nn/cuda/finite.h"

#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn;
using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN(),
                 kInf = std::numeric_limits<double>::infinity();
}

TEST_CASE("cuda finite: the smallest place in the smallest array, whatever the order of the calls") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const std::size_t count : {1u, 8u, 13u, 700u, 5003u}) {
      INFO(name_of(type) << " " << count);
      for_each_mode([&] {
        DeviceBuffer<FiniteRecord> record(1);
        std::vector<double> values = random_values(type, 1, count);
        values[0] = type == StorageType::kF16 ? 65504.0 : 3e38;  // large is finite
        const auto search = [&](std::uint32_t array) {
          Array a(type, values);
          check_finite(type, static_cast<std::int64_t>(count), a.data(), array, record.data(), nullptr);
        };
        reset_finite_record(record.data(), nullptr);
        search(3);
        REQUIRE(record.host()[0].key == kAllFinite);
        for (const std::size_t place : {count - 1, count / 2, count / 3, std::size_t{0}}) {
          values[place] = place % 2 ? kNan : -kInf;
          search(7);
          const unsigned long long key = record.host()[0].key;
          REQUIRE(finite_array(key) == 7);
          REQUIRE(finite_index(key) == static_cast<std::int64_t>(place));
        }
        search(9);
        REQUIRE(finite_array(record.host()[0].key) == 7);
        values.assign(count, 1.0);
        values[count - 1] = kInf;
        search(2);
        REQUIRE(finite_array(record.host()[0].key) == 2);
        REQUIRE(finite_index(record.host()[0].key) == static_cast<std::int64_t>(count - 1));
      });
    }
  }
}

TEST_CASE("cuda loss scale: halves and skips on overflow, doubles after a run of good steps") {
  QCFACE_NEED_DEVICE();
  DeviceBuffer<FiniteRecord> record(std::vector{FiniteRecord{}});
  DeviceBuffer<LossScaleRecord> state(std::vector{LossScaleRecord{}});
  DeviceBuffer<float> applied(1);
  const auto step = [&](bool overflow) {
    record.assign({FiniteRecord{overflow ? 5ull : kAllFinite}});
    update_loss_scale(record.data(), state.data(), applied.data(), nullptr);
    return state.host()[0];
  };
  LossScaleRecord s = step(false);
  REQUIRE(s.scale == 65536.0f);
  REQUIRE(s.skip == 0);
  REQUIRE(s.good_steps == 1);
  s = step(true);
  REQUIRE(s.scale == 32768.0f);
  REQUIRE(applied.host()[0] == 65536.0f);
  REQUIRE(s.skip == 1);
  REQUIRE(s.good_steps == 0);
  REQUIRE(s.skipped == 1);
  for (std::uint32_t i = 1; i < kLossScaleInterval; ++i) s = step(false);
  REQUIRE(s.scale == 32768.0f);
  REQUIRE(s.skip == 0);
  s = step(false);
  REQUIRE(s.scale == 65536.0f);
  REQUIRE(applied.host()[0] == 32768.0f);  // what this step's gradients carry
  REQUIRE(s.good_steps == 0);
  for (int i = 0; i < 20; ++i) s = step(true);
  REQUIRE(s.scale == 1.0f);
  REQUIRE(s.skipped == 21);
  state.assign({LossScaleRecord{kLargestLossScale, 0, kLossScaleInterval - 1, 0}});
  REQUIRE(step(false).scale == kLargestLossScale);
}
