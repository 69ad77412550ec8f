// Which classes take part in a step where not all do.
#include "nn/head/class_sample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

std::vector<std::int64_t> sample(const ClassDraw& draw, const Share& own,
                                 const std::vector<std::int64_t>& labels, std::int64_t count) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count), -1);
  sample_classes(draw, own, labels, rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(rows[i] >= (i == 0 ? 0 : rows[i - 1] + 1));
    REQUIRE(rows[i] < own.count);
  }
  for (const std::int64_t label : labels) {
    if (label < own.first || label >= own.first + own.count) continue;
    REQUIRE(std::binary_search(rows.begin(), rows.end(), label - own.first));
  }
  return rows;
}

}  // namespace

TEST_CASE("class sample: how many take part") {
  REQUIRE(class_sample_size(1000, 0.1, 64) == 100);
  REQUIRE(class_sample_size(1001, 0.1, 64) == 101);
  REQUIRE(class_sample_size(1000, 0.01, 64) == 64);  // room for a batch of 64 people
  REQUIRE(class_sample_size(50, 0.01, 64) == 50);
  REQUIRE(class_sample_size(50, 1e-6, 2) == 2);
}

TEST_CASE("class sample: ascending, in range, with every label of this rank, whatever the sizes") {
  for (const std::int64_t own : {1, 2, 7, 100}) {
    for (std::int64_t count = 1; count <= own; count += own > 10 ? 13 : 1) {
      std::vector<std::int64_t> labels{-1, 3, 1000, 500, 500};  // other ranks' too
      for (std::int64_t k = 0; k < count; ++k) labels.push_back(500 + (k * 37) % own);
      std::sort(labels.begin(), labels.end());
      std::vector<std::int64_t> different(labels);
      different.erase(std::unique(different.begin(), different.end()), different.end());
      const auto mine = std::count_if(different.begin(), different.end(),
                                      [&](std::int64_t label) { return label >= 500 && label < 500 + own; });
      if (mine <= count) sample({1, 2, 3}, {500, own}, labels, count);
    }
  }
  // All that there are; as many as there are labels, neighbours at both ends.
  REQUIRE(sample({1, 0, 0}, {10, 4}, {11}, 4) == std::vector<std::int64_t>{0, 1, 2, 3});
  REQUIRE(sample({1, 0, 0}, {10, 6}, {15, 10, 11, 14}, 4) == std::vector<std::int64_t>{0, 1, 4, 5});
  std::vector<std::int64_t> rows(1);
  REQUIRE_THROWS_AS(sample_classes({1, 0, 0}, {0, 5}, std::vector<std::int64_t>{1, 2}, rows), Error);
}

TEST_CASE("class sample: drawn anew for every seed, epoch, step and rank, and the same again") {
  const std::vector<std::int64_t> labels{3, 5};
  const auto draw = [&](const ClassDraw& key, std::int64_t first) {
    return sample(key, {first, 1000}, labels, 100);
  };
  const auto one = draw({1, 2, 3}, 0);
  REQUIRE(draw({1, 2, 3}, 0) == one);
  for (const ClassDraw& other : {ClassDraw{2, 2, 3}, ClassDraw{1, 3, 3}, ClassDraw{1, 2, 4}})
    REQUIRE(draw(other, 0) != one);
  REQUIRE(sample({1, 2, 3}, {1000, 1000}, {}, 100) != sample({1, 2, 3}, {2000, 1000}, {}, 100));
}

TEST_CASE("class sample: every other class takes part equally often") {
  constexpr std::int64_t kOwn = 103, kCount = 23, kDraws = 20000;
  std::vector<double> times(kOwn);
  const std::vector<std::int64_t> labels{0, 50, 51};
  for (std::uint64_t step = 0; step < kDraws; ++step) {
    for (const std::int64_t row : sample({9, step, 0}, {0, kOwn}, labels, kCount))
      times[static_cast<std::size_t>(row)] += 1;
  }
  // One of each run of 5 others: exactly a fifth.
  const double expected = kDraws / 5.0, deviation = std::sqrt(kDraws * 0.2 * 0.8);
  for (std::int64_t k = 0; k < kOwn; ++k) {
    INFO("class " << k);
    if (std::find(labels.begin(), labels.end(), k) != labels.end()) {
      REQUIRE(times[static_cast<std::size_t>(k)] == kDraws);
    } else {
      REQUIRE(std::abs(times[static_cast<std::size_t>(k)] - expected) < 5 * deviation);
    }
  }
}
