// Figures of identification against the vectors of protocols.md sections 9, 10 and 11, and against counting by hand.
#include "harness/eval/measures/identification.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/random.h"
#include "harness/eval/measures/scores.h"
#include "tests/harness/eval/support.h"
#include "tests/nn/plain_identify.h"

using namespace qcface;
using namespace qcface::eval;
using nlohmann::json;

namespace {

struct Rows {
  std::vector<double> values;
  std::int64_t count = 0, width = 0;
  nn::RowsView view() const { return {count, width, nullptr, values.data()}; }
};
Rows rows_of(const json& list) {
  Rows rows;
  for (const json& row : list) {
    for (const json& value : row) rows.values.push_back(value.get<double>());
    rows.count += 1;
    rows.width = static_cast<std::int64_t>(row.size());
  }
  return rows;
}
Rows joined(Rows a, const Rows& b) {
  a.values.insert(a.values.end(), b.values.begin(), b.values.end());
  a.count += b.count;
  return a;
}
std::vector<std::int64_t> ids(const json& list) { return list.get<std::vector<std::int64_t>>(); }
std::vector<std::int64_t> joined(std::vector<std::int64_t> a, const std::vector<std::int64_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::string probe_name(std::int64_t row) { return "probe " + std::to_string(row); }
std::string row_name(std::int64_t row) { return "row " + std::to_string(row); }
Mates mates_of(const std::vector<std::int64_t>& probes, const std::vector<std::int64_t>& gallery,
               MateRule rule = MateRule::kAny) {
  return find_mates(probes, gallery, rule, probe_name, row_name);
}

struct Case {
  Rows probes, gallery;
  Mates mates;
  nn::IdentifyRequest request() const {
    nn::IdentifyRequest request;
    request.probes = probes.view();
    request.gallery = gallery.view();
    request.mate_begin = mates.begin;
    request.mates = mates.rows;
    request.mate_ranks = true;
    return request;
  }
};
const std::int64_t kRanks[] = {1, 5, 10};
const double kRates[] = {0.01, 0.1};

// A small case of whole numbers by hand: scores[probe][row].
nn::IdentifyFound found_of(const std::vector<std::vector<double>>& scores, const Mates& mates,
                           std::vector<std::pair<std::int64_t, std::int64_t>> parts,
                           std::int64_t impostors = 100) {
  nn::IdentifyRequest request;
  request.probes.count = static_cast<std::int64_t>(scores.size());
  request.gallery.count = static_cast<std::int64_t>(scores[0].size());
  request.mate_begin = mates.begin;
  request.mates = mates.rows;
  request.mate_ranks = true;
  request.impostors = impostors;
  request.parts = std::move(parts);
  return test::plain_identify(request, [&](std::int64_t p, std::int64_t g) {
    return scores[static_cast<std::size_t>(p)][static_cast<std::size_t>(g)];
  });
}

}  // namespace

TEST_CASE("identification: the IJB vector, three scores") {
  const json vector = test::load_vector("identification_ijb.json");
  Case c{rows_of(vector.at("probe_features")), rows_of(vector.at("gallery_features")), {}};
  c.mates = mates_of(ids(vector.at("probe_subject_ids")), ids(vector.at("gallery_subject_ids")),
                     MateRule::kExactlyOne);
  const double alpha = vector.at("qmf_alpha"), beta = vector.at("qmf_beta");
  for (const auto& [name, rule] : {std::pair{"cosine", nn::ScoreRule{nn::ScoreRule::kCosine, 0, 0}},
                                   std::pair{"qmf", nn::ScoreRule{nn::ScoreRule::kQmf, alpha, beta}},
                                   std::pair{"euclid", nn::ScoreRule{nn::ScoreRule::kEuclid, 0, 0}}}) {
    CAPTURE(name);
    const json& want = vector.at("results").at(name);
    auto request = c.request();
    request.rule = rule;
    request.impostors = pairwise_rank(c.probes.count, 0.1);
    nn::IdentifyFound found = nn::make_scorer()->identify(request);
    if (rule.kind == nn::ScoreRule::kEuclid) scale_euclid(found);
    const std::vector<double> hits = hit_rates(found, c.mates, kRanks);
    REQUIRE(hits == std::vector<double>{want.at("top1"), want.at("top5"), want.at("top10")});
    const auto recall = recall_pairwise(found, c.probes.count, kRates);
    for (std::size_t i = 0; i < 2; ++i) {
      const json& row = want.at("recall")[i];
      REQUIRE(recall[i].k == row.at("k").get<std::int64_t>());
      REQUIRE(test::relative_error(recall[i].threshold, row.at("threshold")) <= 1e-12);
      REQUIRE(recall[i].recall == row.at("recall").get<double>());
      REQUIRE(recall[i].resolvable);
    }
  }
}

TEST_CASE("identification: the open-set vector by the strict, the IJB-S and the rounded rule") {
  const json vector = test::load_vector("openset_identification.json");
  Case c{rows_of(vector.at("probe_features")),
         joined(rows_of(vector.at("gallery1_features")), rows_of(vector.at("gallery2_features"))),
         {}};
  const auto subjects1 = ids(vector.at("gallery1_subject"));
  c.mates = mates_of(ids(vector.at("probe_subject")), joined(subjects1, ids(vector.at("gallery2_subject"))),
                     MateRule::kAtMostOne);
  auto request = c.request();
  const std::int64_t first = static_cast<std::int64_t>(subjects1.size());
  request.parts = {{0, first}, {first, c.gallery.count}};
  // The vector's rows are unit ones, rounded, and its score is their plain product.
  const auto found = test::plain_identify(request, [&](std::int64_t p, std::int64_t g) {
    return test::plain_dot(request.probes, p, request.gallery, g);
  });
  const auto near = [](double got, const json& want) { return std::fabs(got - want.get<double>()) <= 1e-6; };
  const std::vector<double> hits = hit_rates(found, c.mates, kRanks);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(near(hits[i], vector.at("closed_set").at("hit_rate")[i]));

  for (const auto& [name, rule] :
       {std::pair{"ijbs_rule", OpenSetRule::kIjbs}, std::pair{"rounded_rule", OpenSetRule::kRounded}}) {
    CAPTURE(name);
    const auto sets = open_set(found, c.mates, request.parts, kRates, rule, probe_name);
    for (std::size_t g = 0; g < 2; ++g) {
      const json& want = vector.at(name).at(g == 0 ? "gallery1" : "gallery2");
      for (std::size_t i = 0; i < 2; ++i) {
        REQUIRE(near(sets[g].rows[i].tpir, want.at("dir")[i]));
        REQUIRE(test::relative_error(sets[g].rows[i].threshold, want.at("threshold")[i]) <= 1e-12);
      }
    }
    if (rule != OpenSetRule::kIjbs) continue;
    const auto means = mean_tpir(sets);
    for (std::size_t i = 0; i < 2; ++i) REQUIRE(near(means[i], vector.at(name).at("mean")[i]));
    REQUIRE(sets[0].nonmated == vector.at(name).at("nonmated_count")[0].get<std::int64_t>());
    REQUIRE(sets[1].nonmated == vector.at(name).at("nonmated_count")[1].get<std::int64_t>());
  }
  const auto strict = open_set(found, c.mates, request.parts, kRates, OpenSetRule::kStrict, probe_name);
  for (std::size_t g = 0; g < 2; ++g) {
    for (std::size_t i = 0; i < 2; ++i) {
      const json& want = vector.at("strict_rule").at(g == 0 ? "gallery1" : "gallery2")[i];
      REQUIRE(strict[g].rows[i].k == want.at("k").get<std::int64_t>());
      REQUIRE(test::relative_error(strict[g].rows[i].threshold, want.at("threshold")) <= 1e-12);
      REQUIRE(strict[g].rows[i].tpir == want.at("tpir").get<double>());
      REQUIRE(strict[g].rows[i].fpir_found <= strict[g].rows[i].fpir);
    }
  }
  // Cosine of the same rows: nothing moves but the last digits of their rounding.
  const auto cosine = nn::make_scorer()->identify(request);
  REQUIRE(hit_rates(cosine, c.mates, kRanks) == hits);
}

TEST_CASE("identification: the TinyFace vector, ranks and mean average precision") {
  const json vector = test::load_vector("tinyface_identification.json");
  Case c{rows_of(vector.at("probe_features")),
         joined(rows_of(vector.at("gallery_match_features")), rows_of(vector.at("distractor_features"))),
         {}};
  std::vector<std::int64_t> gallery = ids(vector.at("gallery_match_labels"));
  gallery.resize(static_cast<std::size_t>(c.gallery.count), vector.at("distractor_label"));
  c.mates = mates_of(ids(vector.at("probe_labels")), gallery);
  const auto found = nn::make_scorer()->identify(c.request());
  REQUIRE(hit_rates(found, c.mates, ids(vector.at("ranks"))) == test::numbers(vector.at("hit_rate")));
  REQUIRE(test::relative_error(mean_average_precision(found, c.mates), vector.at("mean_average_precision")) <=
          1e-12);
}

TEST_CASE("identification: mates by subject, nobody's rows, and probes that break the rule") {
  const Mates mates = mates_of({4, -100, 7, 5}, {5, 4, -100, 4, 9, -100});
  REQUIRE(mates.begin == std::vector<std::int64_t>{0, 2, 2, 2, 3});
  REQUIRE(mates.rows == std::vector<std::int32_t>{1, 3, 0});
  REQUIRE(mates.mated_probes() == 2);
  REQUIRE(test::error_of([] {
            mates_of({4, 5}, {5, 9}, MateRule::kExactlyOne);
          }) == "probe 0 has no mate in the gallery: its subject 4 has no row there");
  REQUIRE(test::error_of([] {
            mates_of({5}, {5, 9, 5}, MateRule::kExactlyOne);
          }) == "probe 0 has 2 mates in the gallery (row 0, row 2), expected exactly one");
  REQUIRE(test::error_of([] {
            mates_of({1, 5}, {5, 9, 5, 5}, MateRule::kAtMostOne);
          }) == "probe 1 has 3 mates in the gallery (row 0, row 2, ...), expected one at most");
  REQUIRE(mates_of({1}, {5}, MateRule::kAtMostOne).rows.empty());
}

TEST_CASE("identification: ties go to the row that stands first; several mates; probes without any") {
  // Probe 0: its mates 1 and 3 lie behind row 0, which ties with 1. Probe 1 has none. Probe 2: mate 2 leads.
  const Mates mates = mates_of({1, -1, 2}, {9, 1, 2, 1});
  const auto found = found_of({{5, 5, 1, 4}, {1, 2, 3, 3}, {0, 0, 7, 7}}, mates, {{0, 2}, {2, 4}});
  REQUIRE(found.mate_rank == std::vector<std::int64_t>{1, 2, 0});
  const std::int64_t ranks[] = {1, 2, 4};
  REQUIRE(hit_rates(found, mates, ranks) == std::vector<double>{0.5, 1, 1});
  // AP of probe 0: ranks 2 and 3: ((1/2 + 0)/2 + (2/3 + 1/2)/2)/2.
  const double precision = ((0.5 + 0) / 2 + (2.0 / 3 + 0.5) / 2) / 2;
  REQUIRE(test::relative_error(mean_average_precision(found, mates), (precision + 1) / 2) <= 1e-15);

  const double fpirs[] = {0.5, 0.25};
  const auto sets = open_set(found, mates, {{{0, 2}, {2, 4}}}, fpirs, OpenSetRule::kStrict, probe_name);
  // First gallery: probe 0 is mated, and behind the tie; non-mated maxima 2 (probe 1) and 0 (probe 2).
  REQUIRE(sets[0].mated == 1);
  REQUIRE(sets[0].nonmated == 2);
  REQUIRE(sets[0].rows[0].k == 1);
  REQUIRE(sets[0].rows[0].threshold == 0);
  REQUIRE(sets[0].rows[0].tpir == 0);
  REQUIRE(sets[0].rows[0].fpir_found == 0.5);
  REQUIRE(sets[0].rows[0].resolvable);
  REQUIRE(sets[0].rows[1].threshold == 2);
  REQUIRE(!sets[0].rows[1].resolvable);
  // Second: probes 0 (mate 3: 4 before 1) and 2 (7 before 7 by its place) are mated; probe 1 has 3.
  REQUIRE(sets[1].mated == 2);
  REQUIRE(sets[1].nonmated == 1);
  REQUIRE(sets[1].rows[0].threshold == 3);
  REQUIRE(sets[1].rows[0].tpir == 1);
  REQUIRE(mean_tpir(sets) == std::vector<double>{0.5, 0.5});

  const auto pairwise = recall_pairwise(found, 3, fpirs);
  REQUIRE(pairwise[0].k == 2);  // of 7, 5, 3, 3, 2, 1, 1, 0, 0
  REQUIRE(pairwise[0].threshold == 5);
  REQUIRE(pairwise[0].recall == 1.0 / 3);
  const double all[] = {100};
  REQUIRE(!recall_pairwise(found, 3, all)[0].resolvable);
  REQUIRE(std::isnan(recall_pairwise(found, 3, all)[0].recall));
  REQUIRE(pairwise_rank(70, 0.1) == 7);  // 70 * 0.1 is a little more than 7
  REQUIRE(pairwise_rank(19593, 0.01) == 196);
}

TEST_CASE("identification: the IJB-S rule below one false accept, and two mates in one gallery") {
  const Mates mates = mates_of({1, -1, -1}, {1, 2});
  const auto found = found_of({{5, 1}, {4, 2}, {3, 1}}, mates, {{0, 2}});
  const double fars[] = {0.1, 0.5, 0.8};
  const auto ijbs = open_set(found, mates, {{{0, 2}}}, fars, OpenSetRule::kIjbs, probe_name);
  REQUIRE(ijbs[0].rows[0].k == 0);
  REQUIRE(ijbs[0].rows[0].threshold == 4 + 1e-8);
  REQUIRE(ijbs[0].rows[0].fpir_found == 0);
  REQUIRE(ijbs[0].rows[1].k == 1);
  REQUIRE(ijbs[0].rows[1].threshold == 4);
  REQUIRE(ijbs[0].rows[1].fpir_found == 0.5);
  REQUIRE(ijbs[0].rows[2].k == 1);  // 1.6
  const auto rounded = open_set(found, mates, {{{0, 2}}}, fars, OpenSetRule::kRounded, probe_name);
  REQUIRE(rounded[0].rows[0].threshold == 4 + 1e-5);
  REQUIRE(rounded[0].rows[2].k == 2);
  REQUIRE(rounded[0].rows[2].threshold == 3);

  const Mates twice = mates_of({1}, {1, 1, 2});
  const auto two = found_of({{5, 4, 1}}, twice, {{0, 3}});
  REQUIRE(test::error_of([&] {
            open_set(two, twice, {{{0, 3}}}, fars, OpenSetRule::kIjbs, probe_name);
          }) == "probe 0 has 2 mates in one gallery, expected one");
  const auto none = open_set(two, twice, {{{0, 3}}}, fars, OpenSetRule::kStrict, probe_name);
  REQUIRE(none[0].nonmated == 0);
  REQUIRE(std::isnan(none[0].rows[0].tpir));
}

TEST_CASE("identification: random labels hit by chance, and swapping probes changes no figure") {
  RandomStream random(16, RandomPurpose::kTest);
  Case c;
  c.probes = {std::vector<double>(400 * 8), 400, 8};
  c.gallery = {std::vector<double>(50 * 8), 50, 8};
  for (auto* rows : {&c.probes, &c.gallery}) {
    for (double& value : rows->values) value = random.normal();
  }
  std::vector<std::int64_t> probes, gallery;
  for (int i = 0; i < 400; ++i) probes.push_back(i % 60);  // a sixth is in no gallery
  for (int i = 0; i < 50; ++i) gallery.push_back(i);
  c.mates = mates_of(probes, gallery);
  REQUIRE(c.mates.mated_probes() == 340);
  auto request = c.request();
  request.parts = {{0, 25}, {25, 50}};
  const auto found = nn::make_scorer()->identify(request);
  const std::vector<double> hits = hit_rates(found, c.mates, kRanks);
  REQUIRE(hits[0] < 0.06);
  REQUIRE(std::fabs(hits[2] - 0.2) < 0.08);
  const auto sets = open_set(found, c.mates, request.parts, kRates, OpenSetRule::kStrict, probe_name);
  for (const OpenSet& set : sets) {
    REQUIRE(set.mated + set.nonmated == 400);
    for (const OpenSetRow& row : set.rows) REQUIRE(row.fpir_found <= row.fpir + 1e-9);
  }
}
