#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "core/random.h"
#include "tests/support/catch.h"

using qcface::philox4x32;
using qcface::RandomPurpose;
using qcface::RandomStream;

// Known answers published with the generator (Random123, kat_vectors, philox4x32 with 10 rounds).
TEST_CASE("philox gives the published known answers") {
  REQUIRE(philox4x32({0, 0, 0, 0}, {0, 0}) ==
          std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  const std::uint32_t f = 0xffffffffu;
  REQUIRE(philox4x32({f, f, f, f}, {f, f}) ==
          std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  REQUIRE(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
          std::array<std::uint32_t, 4>{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("streams differ in every part of their name and repeat") {
  const auto first = [](std::uint64_t seed, RandomPurpose purpose, std::uint32_t epoch, std::uint64_t index) {
    return RandomStream(seed, purpose, epoch, index).next_u64();
  };
  const std::set<std::uint64_t> values{
      first(1, RandomPurpose::kShuffle, 0, 0),          first(2, RandomPurpose::kShuffle, 0, 0),
      first(1ull << 40, RandomPurpose::kShuffle, 0, 0), first(1, RandomPurpose::kAugment, 0, 0),
      first(1, RandomPurpose::kShuffle, 1, 0),          first(1, RandomPurpose::kShuffle, 0, 1),
      first(1, RandomPurpose::kShuffle, 0, 1ull << 33)};
  REQUIRE(values.size() == 7);
  REQUIRE(first(1, RandomPurpose::kShuffle, 0, 0) == first(1, RandomPurpose::kShuffle, 0, 0));
}

TEST_CASE("draws have the stated ranges and moments") {
  RandomStream random(7, RandomPurpose::kTest);
  const int n = 200000;
  double sum = 0, square = 0, uniform_sum = 0;
  std::vector<int> counts(7);
  for (int i = 0; i < n; ++i) {
    const double z = random.normal();
    sum += z;
    square += z * z;
    const double u = random.uniform();
    REQUIRE((u >= 0 && u < 1));
    uniform_sum += u;
    ++counts[static_cast<std::size_t>(random.integer(3, 9) - 3)];
  }
  REQUIRE(std::abs(sum / n) < 0.02);
  REQUIRE(std::abs(square / n - 1) < 0.02);
  REQUIRE(std::abs(uniform_sum / n - 0.5) < 0.005);
  for (const int count : counts) REQUIRE(std::abs(count - n / 7.0) < 5 * std::sqrt(n / 7.0));
}
