// The GPU's scorer against the CPU's and against the plain version (plain_identify.h): small integers, where every sum is exact and
// so is every tie, and random rows, where scores may differ by the rounding of a sum. The device is emulated, or a GPU's.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "kernels/device/runtime.h"
#include "nn/scoring/scorer.h"
#include "tests/nn/plain_identify.h"
#include "tests/nn/scoring_support.h"
#include "tests/support/catch.h"
#ifdef QCF_EMULATE
#include "tests/support/emulation_modes.h"
#endif

using namespace qcface;
using test::require_near;
using test::require_same;
using test::rules;
using test::view;

#define QCFACE_NEED_GPU() \
  if (cuda::device_count() == 0) QCFACE_SKIP("no GPU on this machine")

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLeast = std::size_t{1} << 15;  // memory for blocks of 16 x 32 scores
// Fibers are slow; a GPU has time for sizes that cuBLASLt takes large tiles for.
#ifdef QCF_EMULATE
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

template <class Body>
void in_every_mode(Body&& body) {
#ifdef QCF_EMULATE
  test::for_each_mode(body);
#else
  body();
#endif
}

std::vector<double> widened(const std::vector<float>& rows) { return {rows.begin(), rows.end()}; }

enum class Kind { kIntegers, kRandom };
/// Integers of at most 3, so that many products are equal; or rows of many lengths. Row 2 is 0, row 5 row 1 again.
std::vector<float> draw_rows(std::uint64_t seed, std::int64_t count, std::int64_t width, Kind kind) {
  RandomStream random(seed, RandomPurpose::kTest);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const double length = random.uniform(0.5, 30);
    for (std::int64_t d = 0; d < width; ++d) {
      rows.push_back(kind == Kind::kIntegers ? static_cast<float>(random.below(7)) - 3
                                             : static_cast<float>(length * random.normal()));
    }
  }
  if (count > 5) {
    std::fill_n(rows.begin() + 2 * width, width, 0.0f);
    std::copy_n(rows.begin() + width, width, rows.begin() + 5 * width);
  }
  return rows;
}

template <class Call>
std::string refusal(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("cuda pair scores: as the CPU's, all rules, both types, in one batch and in many") {
  QCFACE_NEED_GPU();
  for (const std::int64_t width : {1, 32, 70}) {
    for (const Kind kind : {Kind::kIntegers, Kind::kRandom}) {
      constexpr std::int64_t kRows = 40;
      const std::vector<float> rows = draw_rows(static_cast<std::uint64_t>(width), kRows, width, kind);
      const std::vector<double> wide = widened(rows);
      std::vector<nn::RowPair> pairs;
      for (std::int32_t i = 0; i < 60; ++i) pairs.push_back({i * 7 % 40, (i * i + 1) % 40});
      pairs.push_back({1, 5});
      pairs.push_back({2, 2});
      for (const nn::ScoreRule& rule : rules()) {
        CAPTURE(width, static_cast<int>(kind), static_cast<int>(rule.kind));
        std::vector<double> want(pairs.size()), got(pairs.size()), other(pairs.size());
        nn::make_cpu_scorer(2)->pair_scores(view(rows, width), pairs, rule, want);
        in_every_mode([&] {
          std::fill(got.begin(), got.end(), std::numeric_limits<double>::quiet_NaN());
          nn::make_cuda_scorer({0, kMiB})->pair_scores(view(rows, width), pairs, rule, got);
          require_near("score", got, want);
        });
        nn::make_cuda_scorer({0, kMiB})->pair_scores(view(wide, width), pairs, rule, other);
        REQUIRE(other == got);
        // Rows that do not fit are copied for each batch.
        nn::make_cuda_scorer({0, 4000})->pair_scores(view(rows, width), pairs, rule, other);
        REQUIRE(other == got);
        nn::make_cuda_scorer({0, 4000})->pair_scores(view(wide, width), pairs, rule, other);
        REQUIRE(other == got);
        if (kind == Kind::kIntegers && rule.kind != nn::ScoreRule::kQmf) REQUIRE(got == want);
      }
    }
  }
}

TEST_CASE("cuda pair scores: no pairs, and pairs that cannot be meant") {
  QCFACE_NEED_GPU();
  const std::vector<float> rows = draw_rows(1, 6, 4, Kind::kRandom);
  const auto scorer = nn::make_cuda_scorer();
  REQUIRE(std::string(scorer->name()) == "cuda");
  scorer->pair_scores(view(rows, 4), {}, {}, {});
  std::vector<double> out(1);
  const std::vector<nn::RowPair> wrong{{0, 6}};
  REQUIRE(refusal([&] { scorer->pair_scores(view(rows, 4), wrong, {}, out); }) ==
          "pair scores: a pair of rows 0 and 6, but there are 6 rows");
}

TEST_CASE("cuda ROC: the CPU's counts to the last, ties, thinned or not, every rank") {
  QCFACE_NEED_GPU();
  for (const std::int64_t n : {1, 2, 3, 4, 255, 256, 257, 3000}) {
    for (const int levels : {1, 2, 40, 1 << 30}) {
      RandomStream random(static_cast<std::uint64_t>(n), RandomPurpose::kTest,
                          static_cast<std::uint64_t>(levels));
      std::vector<double> scores;
      std::vector<char> same;
      for (std::int64_t i = 0; i < n; ++i) {
        same.push_back(static_cast<char>(i == 0 ? 0 : random.below(3)));  // 2 counts as 1
        const auto level = static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(levels)));
        scores.push_back((static_cast<double>(level) - levels / 2) / 8);
        if (scores.back() == 0 && i % 2) scores.back() = -0.0;
      }
      for (const bool thinned : {true, false}) {
        CAPTURE(n, levels, thinned);
        nn::RocRequest request{scores, same, thinned, {}};
        const std::int64_t different = std::count(same.begin(), same.end(), 0);
        std::vector<std::int64_t> ranks;
        for (std::int64_t rank = different - 1; rank >= 0; rank -= 1 + rank / 7) ranks.push_back(rank);
        request.negative_ranks = ranks;
        const nn::RocCounts want = nn::make_cpu_scorer(2)->roc(request);
        in_every_mode([&] {
          const nn::RocCounts got = nn::make_cuda_scorer({0, kMiB})->roc(request);
          test::require_same(got, want);
        });
      }
    }
  }
}

TEST_CASE("cuda ROC: no scores, too many for the memory, a NaN, a rank that is none") {
  QCFACE_NEED_GPU();
  const auto scorer = nn::make_cuda_scorer();
  REQUIRE(scorer->roc({}).points.empty());
  std::vector<double> scores(100, 0.5);
  const std::vector<char> same(100, 0);
  REQUIRE(refusal([&] {
            nn::make_cuda_scorer({0, 2000})->roc({scores, same, true, {}});
          }) ==
          "ROC: 100 scores take 0 MiB of GPU memory, 0 MiB are free for it; compute the scores on the CPU");
  const std::vector<std::int64_t> ranks{100};
  REQUIRE(refusal([&] {
            scorer->roc({scores, same, true, ranks});
          }) == "ROC: rank 100 of 100 different pairs");
  scores[7] = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THAT(refusal([&] { scorer->roc({scores, same, true, {}}); }), test::contains("score 7"));
}

namespace {

struct Case {
  std::int64_t width = 0;
  std::vector<float> probes, gallery;
  std::vector<std::int64_t> mate_begin{0};
  std::vector<std::int32_t> mates;

  nn::IdentifyRequest request() const {
    nn::IdentifyRequest request;
    request.probes = view(probes, width);
    request.gallery = view(gallery, width);
    request.mate_begin = mate_begin;
    request.mates = mates;
    request.mate_ranks = true;
    return request;
  }
};

/// Probe i has i % 7 mates in no order, one of them listed twice where there are six.
Case draw_case(std::uint64_t seed, std::int64_t probes, std::int64_t gallery, std::int64_t width, Kind kind) {
  Case c;
  c.width = width;
  c.probes = draw_rows(seed, probes, width, kind);
  c.gallery = draw_rows(seed + 1, gallery, width, kind);
  for (std::int64_t p = 0; p < probes; ++p) {
    for (std::int64_t m = 0; m < p % 7; ++m)
      c.mates.push_back(static_cast<std::int32_t>((p * 7 + gallery * 5 - (m % 5) * 3) % gallery));
    c.mate_begin.push_back(static_cast<std::int64_t>(c.mates.size()));
  }
  return c;
}

}  // namespace

TEST_CASE("cuda identify: as the plain version and the CPU, all rules and types, in one block and in many") {
  QCFACE_NEED_GPU();
  struct Size {
    std::int64_t probes, gallery, width;
    int top;
  };
  for (const auto& [probes, gallery, width, top] : {Size{12, 70, 19, 7},
                                                    {2, 200, 8, 20},
                                                    {20, 65, 3, 64},
                                                    {1, 1, 1, 20},
                                                    {17, 34, 2, 1},
                                                    {3, 129, 64, 129}}) {
    for (const Kind kind : {Kind::kIntegers, Kind::kRandom}) {
      const Case c = draw_case(static_cast<std::uint64_t>(probes), probes, gallery, width, kind);
      const std::vector<double> probes64 = widened(c.probes), gallery64 = widened(c.gallery);
      for (const nn::ScoreRule& rule : rules()) {
        CAPTURE(probes, gallery, width, static_cast<int>(kind), static_cast<int>(rule.kind));
        auto request = c.request();
        request.rule = rule;
        request.top = top;
        request.impostors = 40;
        request.parts = {{0, gallery / 3}, {gallery / 3, gallery}, {gallery / 2, gallery / 2}, {0, gallery}};
        const auto want = test::plain_identify(request);
        const auto got = nn::make_cuda_scorer({0, 64 * kMiB})->identify(request);
        require_same(got, want);
        // Equal sums are equal on both devices.
        if (kind == Kind::kIntegers) require_same(got, nn::make_cpu_scorer(2)->identify(request));
        // The gallery comes anew for each block of probes; it stays.
        for (const std::size_t memory : {kLeast, 6 * kLeast}) {
          CAPTURE(memory);
          require_same(nn::make_cuda_scorer({0, memory})->identify(request), want);
        }
        request.probes = view(probes64, width);
        request.gallery = view(gallery64, width);
        const auto wide = nn::make_cuda_scorer({0, 64 * kMiB})->identify(request);
        REQUIRE(wide.best_score == got.best_score);
        REQUIRE(wide.impostor_scores == got.impostor_scores);
        REQUIRE(wide.part_score == got.part_score);
        REQUIRE(wide.mate_score == got.mate_score);
        REQUIRE(wide.lowest == got.lowest);
        if (kind == Kind::kRandom) require_same(nn::make_cuda_scorer({0, kLeast})->identify(request), want);
      }
    }
  }
}

TEST_CASE("cuda identify: the same in every mode of the emulator, and every time") {
  QCFACE_NEED_GPU();
  const Case c = draw_case(11, 9, 90, 5, Kind::kRandom);
  auto request = c.request();
  request.top = 70;
  request.impostors = 500;
  request.parts = {{3, 60}, {30, 90}};
  for (const nn::ScoreRule& rule : rules()) {
    request.rule = rule;
    const auto want = test::plain_identify(request);
    nn::IdentifyFound first;
    in_every_mode([&] {
      for (const std::size_t memory : {kLeast, kMiB}) {
        const auto got = nn::make_cuda_scorer({0, memory})->identify(request);
        require_same(got, want);
        if (first.best_score.empty()) first = got;
        REQUIRE(got.best_score == first.best_score);
        REQUIRE(got.impostor_scores == first.impostor_scores);
      }
    });
  }
}

TEST_CASE("cuda identify: equal rows have equal scores in every block, and the first comes first") {
  QCFACE_NEED_GPU();
  const std::int64_t gallery = kEmulated ? 300 : 40000;
  const int probes = kEmulated ? 18 : 300;
  Case c = draw_case(3, probes, gallery, 37, Kind::kRandom);
  std::vector<std::int32_t> copies{1, 3, 31, 32, 33, 34, 35, 63, 64, 65, 127, 128, 129, 255, 256};
  for (std::int32_t row = 511; row < gallery - 1; row += row / 2) copies.push_back(row);
  copies.push_back(static_cast<std::int32_t>(gallery) - 1);
  const int top = static_cast<int>(copies.size());
  for (const std::int32_t row : copies)
    std::copy_n(c.gallery.begin() + c.width, c.width, c.gallery.begin() + row * c.width);
  std::copy_n(c.gallery.begin() + 20 * c.width, c.width, c.gallery.begin() + 5 * c.width);
  for (std::int64_t p = 0; p < probes; ++p) {  // close to that row, each in its own way
    for (std::int64_t d = 0; d < c.width; ++d) {
      float& value = c.probes[static_cast<std::size_t>(p * c.width + d)];
      value = 0.05f * value + c.gallery[static_cast<std::size_t>(c.width + d)];
    }
  }
  c.mates.clear();
  c.mate_begin.assign(1, 0);
  for (int p = 0; p < probes; ++p) {
    c.mates.insert(c.mates.end(), {copies.back(), 34});
    c.mate_begin.push_back(static_cast<std::int64_t>(c.mates.size()));
  }
  for (const nn::ScoreRule& rule : rules()) {
    auto request = c.request();
    request.rule = rule;
    request.top = top;
    request.impostors = 300;
    request.parts = {{0, 128}, {128, gallery}, {32, 35}};
    const auto want = test::plain_identify(request);
    for (const std::size_t memory : {kLeast, 8 * kLeast, 64 * kMiB}) {
      CAPTURE(static_cast<int>(rule.kind), memory);
      const auto got = nn::make_cuda_scorer({0, memory})->identify(request);
      for (std::size_t p = 0; p < static_cast<std::size_t>(probes); ++p) {
        for (std::size_t k = 0; k < copies.size(); ++k) {
          REQUIRE(got.best_row[p * copies.size() + k] == copies[k]);
          REQUIRE(got.best_score[p * copies.size() + k] == got.best_score[p * copies.size()]);
        }
        REQUIRE(got.mate_rank[2 * p] == top - 1);
        REQUIRE(got.mate_rank[2 * p + 1] == 5);
        REQUIRE(got.part_row[p] == 1);
        REQUIRE(got.part_row[static_cast<std::size_t>(probes) + p] == 128);
        REQUIRE(got.part_row[2 * static_cast<std::size_t>(probes) + p] == 32);
      }
      require_same(got, want);
    }
  }
}

TEST_CASE("cuda identify: nothing asked for, everything asked for, parts of mates alone") {
  QCFACE_NEED_GPU();
  Case c = draw_case(21, 9, 30, 6, Kind::kIntegers);
  c.mates.clear();
  c.mate_begin.assign(1, 0);
  for (std::int32_t p = 0; p < 9; ++p) {  // probe 4 has no mate, the others all of rows 10 to 19
    for (std::int32_t row = 10; p != 4 && row < 20; ++row) c.mates.push_back(29 - row);
    c.mate_begin.push_back(static_cast<std::int64_t>(c.mates.size()));
  }
  for (const std::size_t memory : {kLeast, kMiB}) {
    auto request = c.request();
    request.top = 0;
    request.mate_ranks = false;
    auto found = nn::make_cuda_scorer({0, memory})->identify(request);
    require_same(found, test::plain_identify(request));
    REQUIRE(found.mate_rank.empty());
    REQUIRE(found.impostor_scores.empty());
    request.top = 100;
    request.mate_ranks = true;
    request.impostors = 1000;  // there are 190
    request.parts = {{10, 20}, {12, 13}, {9, 20}};
    found = nn::make_cuda_scorer({0, memory})->identify(request);
    require_same(found, test::plain_identify(request));
    REQUIRE(found.top == 30);
    REQUIRE(found.impostor_scores.size() == 190);
    REQUIRE(found.part_row[0] == -1);
    REQUIRE(found.part_score[0] == -std::numeric_limits<double>::infinity());
    REQUIRE(found.part_row[4] >= 10);
  }
}

TEST_CASE("cuda identify: rows in ascending order of score, the worst for the best rows") {
  QCFACE_NEED_GPU();
  Case c;
  c.width = 2;
  c.probes = {1, 0, 0, 1};
  for (int row = 0; row < 300; ++row)
    c.gallery.insert(c.gallery.end(), {static_cast<float>(row / 2), static_cast<float>(-row)});
  c.mate_begin.assign(3, 0);
  auto request = c.request();
  request.rule.kind = nn::ScoreRule::kQmf;
  request.top = 65;
  request.impostors = 65;
  for (const std::size_t memory : {kLeast, kMiB})
    require_same(nn::make_cuda_scorer({0, memory})->identify(request), test::plain_identify(request));
}

TEST_CASE("cuda identify: distances of nearly equal rows keep their digits") {
  QCFACE_NEED_GPU();
  Case c;
  c.width = 3;
  c.probes = {1000, 2000, 3000};
  for (int row = 0; row < 100; ++row)
    c.gallery.insert(c.gallery.end(), {1000, 2000 + static_cast<float>(row) / 4096, 3000});
  c.mate_begin.assign(2, 0);
  auto request = c.request();
  request.rule.kind = nn::ScoreRule::kEuclid;
  request.top = 100;
  require_same(nn::make_cuda_scorer()->identify(request), test::plain_identify(request));
}

TEST_CASE("cuda identify: progress is told from the calling thread, and may end the work") {
  QCFACE_NEED_GPU();
  const Case c = draw_case(6, 20, 100, 8, Kind::kRandom);
  auto request = c.request();
  std::int64_t last = 0, calls = 0;
  request.progress = [&](std::int64_t done, std::int64_t total) {
    REQUIRE(total == 20);
    REQUIRE(done >= last);
    last = done;
    ++calls;
  };
  const auto scorer = nn::make_cuda_scorer({0, kLeast});
  (void)scorer->identify(request);
  REQUIRE(last == 20);
  REQUIRE(calls > 3);
  request.progress = [](std::int64_t, std::int64_t) { throw std::runtime_error("stop"); };
  REQUIRE_THROWS_WITH(scorer->identify(request), "stop");
  request.progress = nullptr;
  require_same(scorer->identify(request), test::plain_identify(request));  // and it still works
}

TEST_CASE("cuda identify: an empty gallery, no probes, and requests that cannot be met") {
  QCFACE_NEED_GPU();
  Case c = draw_case(7, 6, 30, 5, Kind::kRandom);
  const auto scorer = nn::make_cuda_scorer();
  auto request = c.request();
  request.gallery.count = 0;
  request.mates = {};
  const std::vector<std::int64_t> no_mates(7, 0);
  request.mate_begin = no_mates;
  REQUIRE(scorer->identify(request).top == 0);
  const auto refused = [&](const nn::IdentifyRequest& wrong) {
    return refusal([&] { (void)scorer->identify(wrong); });
  };
  request = c.request();
  request.parts = {{0, 31}};
  REQUIRE(refused(request) == "identification: rows 0 to 31 of a gallery of 30");
  request = c.request();
  request.impostors = 100;
  REQUIRE_THAT(refusal([&] {
                 (void)nn::make_cuda_scorer({0, 1024})->identify(request);
               }),
               test::contains("the 100 largest scores of impostors take 0 MiB of GPU memory"));
  c.gallery[17] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_THAT(refused(c.request()), test::contains("row 3 of the gallery has the length nan"));
  c.probes[5 * 4] = std::numeric_limits<float>::infinity();
  c.gallery[17] = 0;
  REQUIRE_THAT(refused(c.request()), test::contains("row 4 of the probes has the length inf"));
  Case tall;
  tall.width = 1;
  tall.probes = {1};
  tall.gallery.assign(4001, 1.0f);
  tall.mate_begin = {0, 0};
  request = tall.request();
  request.top = 5000;
  REQUIRE(refused(request) ==
          "identification: the best 4001 rows of each probe, but a GPU finds at most 4000; compute them on "
          "the CPU");
}
