// The CPU's identification against every score kept and sorted (plain_identify.h): all kinds of scores, rows of either type,
// ties wherever they stand, block edges, bad requests.
#include <cstdint>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "nn/scoring/scorer.h"
#include "tests/nn/plain_identify.h"
#include "tests/nn/scoring_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using test::require_near;
using test::require_same;
using test::rules;
using test::view;

namespace {

struct Case {
  std::int64_t width = 0;
  std::vector<float> probes, gallery;  // small multiples of a power of two, or anything
  std::vector<double> probes64, gallery64;
  std::vector<std::int64_t> mate_begin{0};
  std::vector<std::int32_t> mates;

  nn::IdentifyRequest request() const {
    nn::IdentifyRequest request;
    request.probes = probes64.empty() ? view(probes, width) : view(probes64, width);
    request.gallery = gallery64.empty() ? view(gallery, width) : view(gallery64, width);
    request.mate_begin = mate_begin;
    request.mates = mates;
    request.mate_ranks = true;
    return request;
  }
};

// Rows of many lengths; probe i has up to three mates, in no order, and every fifth none.
Case random_case(std::uint64_t seed, std::int64_t probes, std::int64_t gallery, std::int64_t width) {
  RandomStream random(seed, RandomPurpose::kTest);
  Case c;
  c.width = width;
  const auto draw = [&](std::vector<float>& rows, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double length = random.uniform(0.5, 30);
      for (std::int64_t d = 0; d < width; ++d) rows.push_back(static_cast<float>(length * random.normal()));
    }
  };
  draw(c.probes, probes);
  draw(c.gallery, gallery);
  for (std::int64_t p = 0; p < probes; ++p) {
    for (std::int64_t m = 0; m < p % 5 % 4; ++m)
      c.mates.push_back(static_cast<std::int32_t>((p * 7 + gallery - m * 3) % gallery));
    c.mate_begin.push_back(static_cast<std::int64_t>(c.mates.size()));
  }
  return c;
}

}  // namespace

TEST_CASE("identify: as the plain version, for three scores, two types, and any number of threads") {
  for (const auto& [probes, gallery, width] :
       {std::array<std::int64_t, 3>{37, 300, 19}, {5, 4200, 8}, {530, 65, 3}, {1, 1, 1}, {20, 257, 512}}) {
    Case c = random_case(static_cast<std::uint64_t>(probes), probes, gallery, width);
    for (const nn::ScoreRule& rule : rules()) {
      CAPTURE(probes, gallery, width, static_cast<int>(rule.kind));
      auto request = c.request();
      request.rule = rule;
      request.top = 7;
      request.impostors = 40;
      request.parts = {{0, gallery / 3}, {gallery / 3, gallery}, {gallery / 2, gallery / 2}};
      const auto want = test::plain_identify(request);
      const auto got = nn::make_scorer({}, 2)->identify(request);
      require_same(got, want);
      const auto other = nn::make_scorer({}, 3)->identify(request);
      REQUIRE(other.best_score == got.best_score);
      REQUIRE(other.impostor_scores == got.impostor_scores);
      REQUIRE(other.part_score == got.part_score);
      REQUIRE(other.lowest == got.lowest);
      // The same values in double.
      Case wide = c;
      wide.probes64.assign(c.probes.begin(), c.probes.end());
      wide.gallery64.assign(c.gallery.begin(), c.gallery.end());
      request.probes = wide.request().probes;
      REQUIRE_THROWS_WITH(nn::make_scorer()->identify(request), test::contains("two types"));
      request.gallery = wide.request().gallery;
      const auto doubles = nn::make_scorer()->identify(request);
      REQUIRE(doubles.best_score == got.best_score);
      REQUIRE(doubles.mate_rank == got.mate_rank);
    }
  }
}

TEST_CASE("identify: equal rows have equal scores wherever they stand, and the first comes first") {
  constexpr std::int64_t kGallery = 4096 + 300;
  Case c = random_case(3, 40, kGallery, 37);
  // Copies of one row at odd places, on both sides of the edges of pieces and blocks; and a second one.
  const std::vector<std::int64_t> copies{1, 3, 254, 255, 256, 257, 511, 4094, 4095, 4096, 4097, kGallery - 1};
  const auto copy_row = [&](std::int64_t from, std::int64_t to) {
    std::copy_n(c.gallery.begin() + from * c.width, c.width, c.gallery.begin() + to * c.width);
  };
  for (const std::int64_t row : copies) copy_row(1, row);
  for (const std::int64_t row : {700, 4200}) copy_row(20, row);
  for (std::int64_t p = 0; p < 40; ++p) {  // probes close to these rows, each in its own way
    for (std::int64_t d = 0; d < c.width; ++d) {
      float& value = c.probes[static_cast<std::size_t>(p * c.width + d)];
      value = 0.05f * value + c.gallery[static_cast<std::size_t>((p % 2 ? 1 : 20) * c.width + d)];
    }
  }
  c.mates.clear();
  c.mate_begin.assign(1, 0);
  for (int p = 0; p < 40; ++p) {
    for (const std::int32_t row :
         p % 2 ? std::vector<std::int32_t>{4096, 257} : std::vector<std::int32_t>{4200})
      c.mates.push_back(row);
    c.mate_begin.push_back(static_cast<std::int64_t>(c.mates.size()));
  }
  for (const nn::ScoreRule& rule : rules()) {
    CAPTURE(static_cast<int>(rule.kind));
    auto request = c.request();
    request.rule = rule;
    request.top = 20;
    request.impostors = 300;
    request.parts = {{0, 4096}, {4096, kGallery}};
    const auto got = nn::make_scorer({}, 2)->identify(request);
    for (std::size_t p = 1; p < 40; p += 2) {
      for (std::size_t k = 0; k < copies.size(); ++k) {
        REQUIRE(got.best_row[p * 20 + k] == copies[k]);
        REQUIRE(got.best_score[p * 20 + k] == got.best_score[p * 20]);
      }
      const std::size_t m = static_cast<std::size_t>(c.mate_begin[p]);
      REQUIRE(got.mate_rank[m] == 9);
      REQUIRE(got.mate_rank[m + 1] == 5);
      REQUIRE(got.part_row[p] == 1);
      REQUIRE(got.part_row[40 + p] == 4097);
    }
    for (std::size_t p = 0; p < 40; p += 2)
      REQUIRE(got.mate_rank[static_cast<std::size_t>(c.mate_begin[p])] == 2);  // behind 20 and 700
    require_same(got, test::plain_identify(request));
  }
}

TEST_CASE("identify: scores a few last digits apart are told apart") {
  // A probe along the first axis; rows whose angles differ far below what float can see.
  Case c;
  c.width = 4;
  c.probes64 = {1, 0, 0, 0};
  RandomStream random(8, RandomPurpose::kTest);
  for (int row = 0; row < 600; ++row) {
    const double tilt = 0.3 + 1e-13 * static_cast<double>(random.below(1000));
    c.gallery64.insert(c.gallery64.end(), {1, tilt, 0, 0});
  }
  c.mates = {300, 17};
  c.mate_begin = {0, 2};
  auto request = c.request();
  request.top = 600;
  request.impostors = 1000;
  for (const nn::ScoreRule& rule : rules()) {
    request.rule = rule;
    require_same(nn::make_scorer()->identify(request), test::plain_identify(request));
  }
}

TEST_CASE("identify: zero rows score 0, short and long rows keep their order") {
  Case c = random_case(5, 12, 500, 16);
  for (std::size_t i = 0; i < 16; ++i) c.probes[i] = 0;
  for (std::size_t i = 0; i < 16; ++i) c.gallery[16 * 9 + i] = 0;
  for (std::size_t i = 0; i < 16; ++i) c.gallery[16 * 10 + i] *= 1e-20f;
  for (std::size_t i = 0; i < 16; ++i) c.gallery[16 * 11 + i] *= 1e10f;
  for (const nn::ScoreRule& rule : rules()) {
    auto request = c.request();
    request.rule = rule;
    request.impostors = 100;
    require_same(nn::make_scorer()->identify(request), test::plain_identify(request));
  }
}

TEST_CASE("identify: progress is told from the calling thread, and may end the work") {
  const Case c = random_case(6, 100, 9000, 8);
  auto request = c.request();
  std::int64_t last = 0, calls = 0;
  request.progress = [&](std::int64_t done, std::int64_t total) {
    REQUIRE(total == 100);
    REQUIRE(done >= last);
    last = done;
    ++calls;
  };
  (void)nn::make_scorer()->identify(request);
  REQUIRE(last == 100);
  REQUIRE(calls == 3);  // a block of the gallery each
  request.progress = [](std::int64_t, std::int64_t) { throw std::runtime_error("stop"); };
  REQUIRE_THROWS_WITH(nn::make_scorer()->identify(request), "stop");
}

TEST_CASE("identify: an empty gallery, no probes, and requests that cannot be meant") {
  Case c = random_case(7, 6, 30, 5);
  auto request = c.request();
  request.gallery.count = 0;
  request.mates = {};
  request.mate_begin = c.mate_begin = std::vector<std::int64_t>(7, 0);
  REQUIRE(nn::make_scorer()->identify(request).top == 0);
  request = c.request();
  request.probes.count = 0;
  const std::vector<std::int64_t> none{0};
  request.mate_begin = none;
  request.mates = {};
  REQUIRE(nn::make_scorer()->identify(request).best_row.empty());

  c = random_case(7, 6, 30, 5);
  const auto refusal = [](const nn::IdentifyRequest& wrong) {
    try {
      (void)nn::make_scorer()->identify(wrong);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  request = c.request();
  request.gallery.width = 4;
  REQUIRE(refusal(request) == "identification: probes are 5 wide, the gallery 4");
  request = c.request();
  request.parts = {{0, 31}};
  REQUIRE(refusal(request) == "identification: rows 0 to 31 of a gallery of 30");
  c.mates[1] = 30;
  REQUIRE(refusal(c.request()) == "identification: mate 30 of a gallery of 30 rows");
  c.mates[1] = 3;
  c.mate_begin[2] = 100;
  REQUIRE_THAT(refusal(c.request()), test::contains("not"));
  c = random_case(7, 6, 30, 5);
  c.gallery[17] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_THAT(refusal(c.request()), test::contains("row 3 of the gallery has the length nan"));
}
