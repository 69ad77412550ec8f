// Scores of listed pairs on the CPU, against plain loops.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "nn/scoring/cpu/row_products.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::nn;

namespace {

struct Rows {
  std::vector<float> f32;
  std::vector<double> f64;
  std::int64_t count, width;
  RowsView narrow() const { return {count, width, f32.data(), nullptr}; }
  RowsView wide() const { return {count, width, nullptr, f64.data()}; }
};

Rows make_rows(std::int64_t count, std::int64_t width) {
  RandomStream random(31 + static_cast<std::uint64_t>(width), RandomPurpose::kTest);
  Rows rows{{}, {}, count, width};
  for (std::int64_t i = 0; i < count * width; ++i) {
    rows.f32.push_back(static_cast<float>(random.normal() * 3));
    rows.f64.push_back(i / width == 1 ? 0.0 : random.normal() * 3);  // row 1 is zero
  }
  return rows;
}

std::vector<RowPair> make_pairs(std::int64_t count, std::int64_t pairs) {
  RandomStream random(7, RandomPurpose::kTest);
  std::vector<RowPair> made{{0, 0}, {0, 1}, {1, 1}};
  while (static_cast<std::int64_t>(made.size()) < pairs)
    made.push_back({static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(count))),
                    static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(count)))});
  return made;
}

double plain_score(const RowsView& rows, RowPair pair, const ScoreRule& rule) {
  double dot = 0, length1 = 0, length2 = 0, squares = 0;
  for (std::int64_t d = 0; d < rows.width; ++d) {
    const std::int64_t at1 = pair.a * rows.width + d, at2 = pair.b * rows.width + d;
    const double x = rows.f32 != nullptr ? static_cast<double>(rows.f32[at1]) : rows.f64[at1];
    const double y = rows.f32 != nullptr ? static_cast<double>(rows.f32[at2]) : rows.f64[at2];
    dot += x * y;
    length1 += x * x;
    length2 += y * y;
    squares += (x - y) * (x - y);
  }
  if (rule.kind == ScoreRule::kEuclid) return -std::sqrt(squares);
  length1 = std::sqrt(length1);
  length2 = std::sqrt(length2);
  const double s = dot / ((length1 > 0 ? length1 : 1) * (length2 > 0 ? length2 : 1));
  if (rule.kind == ScoreRule::kCosine) return s;
  return s + std::min(0.0, rule.beta * s - rule.alpha) * std::min(length1, length2);
}

std::vector<double> scores_of(const RowsView& rows, const std::vector<RowPair>& pairs, const ScoreRule& rule,
                              int threads) {
  std::vector<double> scores(pairs.size(), NAN);
  scoring::pair_scores(rows, pairs, rule, scores, threads);
  return scores;
}

}  // namespace

TEST_CASE("pair scores agree with plain loops for every rule, type and width") {
  for (const std::int64_t width : {1, 7, 8, 9, 31, 32, 33, 64, 100, 512}) {
    const Rows rows = make_rows(17, width);
    const std::vector<RowPair> pairs = make_pairs(17, 300);  // many a row: taken in blocks
    for (const ScoreRule rule :
         {ScoreRule{}, ScoreRule{ScoreRule::kQmf, 0.05, 0.08}, ScoreRule{ScoreRule::kEuclid}}) {
      for (const RowsView& view : {rows.narrow(), rows.wide()}) {
        const std::vector<double> scores = scores_of(view, pairs, rule, 2);
        for (std::size_t i = 0; i < pairs.size(); ++i) {
          const double want = plain_score(view, pairs[i], rule);
          CAPTURE(width, static_cast<int>(rule.kind), view.f32 != nullptr, i, scores[i], want);
          REQUIRE(std::fabs(scores[i] - want) <= 1e-12 * std::max(1.0, std::fabs(want)));
        }
      }
    }
  }
}

TEST_CASE(
    "pair scores have the same bits in blocks, in the order of the list, and for any number of threads") {
  const Rows rows = make_rows(700, 512);  // several blocks of rows
  const std::vector<RowPair> pairs = make_pairs(700, 9000);
  for (const RowsView& view : {rows.narrow(), rows.wide()}) {
    const std::vector<double> scores = scores_of(view, pairs, {}, 1);
    for (const int threads : {2, 3, 7}) REQUIRE(scores_of(view, pairs, {}, threads) == scores);
    const std::vector<RowPair> few(pairs.begin(), pairs.begin() + 500);  // too few a row for blocks
    const std::vector<double> alone = scores_of(view, few, {}, 2);
    REQUIRE(std::equal(alone.begin(), alone.end(), scores.begin()));
    // Exchanging the two of a pair changes nothing.
    std::vector<RowPair> exchanged;
    for (const RowPair pair : pairs) exchanged.push_back({pair.b, pair.a});
    REQUIRE(scores_of(view, exchanged, {}, 2) == scores);
  }
}

TEST_CASE("products of rows have the same bits on every processor") {
  const Rows rows = make_rows(2, 517);
  std::vector<const scoring::RowProducts*> tables{&scoring::detail::kRowsBase};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) tables.push_back(&scoring::detail::kRowsAvx2);
  if (__builtin_cpu_supports("avx512f")) tables.push_back(&scoring::detail::kRowsAvx512);
#endif
  for (const std::int64_t width : {1, 8, 40, 63, 512, 517}) {
    const scoring::RowProducts& base = *tables.front();
    for (const scoring::RowProducts* table : tables) {
      const float* a = rows.f32.data();
      REQUIRE(table->dot(a, a + 517, width) == base.dot(a, a + 517, width));
      REQUIRE(table->squared_distance(a, a + 517, width) == base.squared_distance(a, a + 517, width));
      const double* b = rows.f64.data();
      REQUIRE(table->dot(b, b + 3, width) == base.dot(b, b + 3, width));
      REQUIRE(table->squared_distance(b, b + 3, width) == base.squared_distance(b, b + 3, width));
    }
  }
  if (tables.size() == 1)
    QCFACE_SKIP("this processor has neither AVX2 nor AVX-512: there is nothing to compare");
}

TEST_CASE("pair scores refuse rows that are not there") {
  const Rows rows = make_rows(3, 4);
  std::vector<double> out(1);
  for (const RowPair pair : {RowPair{0, 3}, RowPair{-1, 0}}) {
    const std::vector<RowPair> pairs{pair};
    REQUIRE_THROWS_WITH(scoring::pair_scores(rows.wide(), pairs, {}, out, 1),
                        test::contains("there are 3 rows"));
  }
  REQUIRE_THROWS_WITH(scoring::pair_scores(rows.wide(), {}, {}, out, 1),
                      test::contains("1 places for 0 pairs"));
}
