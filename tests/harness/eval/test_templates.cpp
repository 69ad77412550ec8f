// Pooling of templates: the vector, plain loops, and pictures that are left out.
#include "harness/eval/measures/templates.h"

#include <cmath>
#include <map>

#include "harness/eval/measures/scores.h"
#include "nn/scoring/scorer.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::relative_error;
using Matrix = std::vector<std::vector<double>>;

namespace {

constexpr double kTight = 1e-12;

struct Case {
  Case() : file(test::load_vector("template_pooling.json")) {
    features = file.at("features").get<Matrix>();
    for (const auto& row : features) flat.insert(flat.end(), row.begin(), row.end());
    groups = group_templates(file.at("template_ids").get<std::vector<std::int64_t>>(),
                             file.at("media_ids").get<std::vector<std::int64_t>>());
    view = {static_cast<std::int64_t>(features.size()), static_cast<std::int64_t>(features[0].size()),
            nullptr, flat.data()};
  }
  Case(const Case&) = delete;
  nlohmann::json file;
  Matrix features;
  std::vector<double> flat;
  TemplateGroups groups;
  nn::RowsView view;
};

void require_rows(const PooledTemplates& pooled, const nlohmann::json& want) {
  const auto rows = want.get<Matrix>();
  REQUIRE(pooled.rows.size() == rows.size() * static_cast<std::size_t>(pooled.width));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t d = 0; d < rows[i].size(); ++d) {
      CAPTURE(i, d);
      REQUIRE(relative_error(pooled.rows[i * rows[i].size() + d], rows[i][d]) <= kTight);
    }
  }
}

}  // namespace

TEST_CASE("vector template_pooling: media and templates by mean and Q, as coded and recommended") {
  const Case c;
  REQUIRE(c.groups.ids == c.file.at("unique_templates").get<std::vector<std::int64_t>>());
  const Reduce mean = Reduce::kMean, sum = Reduce::kSum, quality = Reduce::kQuality;
  require_rows(pool_templates(c.view, c.groups, {mean, sum}), c.file.at("template_mean_then_sum"));
  require_rows(pool_templates(c.view, c.groups, {mean, mean}), c.file.at("template_mean_then_mean"));
  require_rows(pool_templates(c.view, c.groups, {quality, sum}), c.file.at("template_quality_then_sum"));
  require_rows(pool_templates(c.view, c.groups, {quality, quality}),
               c.file.at("template_quality_then_quality"));
  require_rows(pool_templates(c.view, c.groups, {mean, Reduce::kUnitMean}),
               c.file.at("template_insightface"));
  // The media alone: one template each.
  for (const auto& [key, reduce] : {std::pair{"media_mean", mean}, std::pair{"media_quality", quality}}) {
    Matrix media;
    for (const auto& of_template : c.file.at(key)) {
      for (const auto& row : of_template) media.push_back(row.get<std::vector<double>>());
    }
    std::vector<std::int64_t> id_of(c.features.size());
    for (std::size_t m = 0; m + 1 < c.groups.picture_begin.size(); ++m) {
      for (std::size_t i = c.groups.picture_begin[m]; i < c.groups.picture_begin[m + 1]; ++i)
        id_of[static_cast<std::size_t>(c.groups.pictures[i])] = static_cast<std::int64_t>(m);
    }
    const std::vector<std::int64_t> one(id_of.size(), 0);
    require_rows(pool_templates(c.view, group_templates(id_of, one), {reduce, mean}), media);
  }
}

TEST_CASE("vector template_pooling: scores of templates") {
  const Case c;
  std::map<std::int64_t, std::int32_t> place;
  for (std::size_t i = 0; i < c.groups.size(); ++i) place[c.groups.ids[i]] = static_cast<std::int32_t>(i);
  std::vector<nn::RowPair> pairs;
  for (const auto& pair : c.file.at("pairs")) pairs.push_back({place.at(pair[0]), place.at(pair[1])});
  const QmfConstants ir50 = qmf_preset("qcface/ir50");
  const nn::ScoreRule qmf{nn::ScoreRule::kQmf, ir50.alpha, ir50.beta};
  const auto require_scores = [&](const Pooling& pooling, const nn::ScoreRule& rule, const char* key) {
    const PooledTemplates pooled = pool_templates(c.view, c.groups, pooling);
    const nn::RowsView rows{static_cast<std::int64_t>(c.groups.size()), pooled.width, nullptr,
                            pooled.rows.data()};
    std::vector<double> scores(pairs.size());
    nn::make_scorer()->pair_scores(rows, pairs, rule, scores);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      CAPTURE(key, i);
      REQUIRE(relative_error(scores[i], c.file.at(key)[i]) <= kTight);
    }
  };
  require_scores({Reduce::kMean, Reduce::kSum}, {}, "score_cosine");
  require_scores({Reduce::kQuality, Reduce::kSum}, qmf, "score_qmf_ir50_as_coded");
  require_scores({Reduce::kQuality, Reduce::kQuality}, qmf, "score_qmf_ir50_recommended");
}

TEST_CASE("vector euclid: scores from the extremes of all pairs") {
  const auto file = test::load_vector("euclid.json");
  std::vector<double> rows;
  const auto embeddings = file.at("embeddings").get<Matrix>();
  for (const auto& row : embeddings) rows.insert(rows.end(), row.begin(), row.end());
  std::vector<nn::RowPair> pairs;
  for (const auto& pair : file.at("pairs")) pairs.push_back({pair[0], pair[1]});
  std::vector<double> scores(pairs.size());
  nn::make_scorer()->pair_scores({static_cast<std::int64_t>(embeddings.size()),
                                  static_cast<std::int64_t>(embeddings[0].size()), nullptr, rows.data()},
                                 pairs, {nn::ScoreRule::kEuclid}, scores);
  const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
  const double largest = -*low, smallest = -*high;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    REQUIRE(relative_error(-scores[i], file.at("distance")[i]) <= kTight);
    const double score = (largest + scores[i]) / (largest - smallest + 1e-10);
    REQUIRE(relative_error(score, file.at("score")[i]) <= 1e-11);
  }
}

TEST_CASE("q1 has the direction of the sum and the length of Q; a zero vector stays zero") {
  const std::vector<double> rows{3, 4, 0, 2, 0, 0, 0, 0};  // (3, 4), (0, 2), two of length 0
  const nn::RowsView view{4, 2, nullptr, rows.data()};
  const std::vector<std::int64_t> templates{1, 1, 2, 2}, media{5, 6, 5, 6};
  const TemplateGroups groups = group_templates(templates, media);
  const PooledTemplates q1 = pool_templates(view, groups, {Reduce::kQuality1, Reduce::kQuality1});
  const double length = (25.0 + 4.0) / (5.0 + 2.0), along = std::sqrt(9.0 + 36.0);
  REQUIRE(relative_error(q1.rows[0], 3 / along * length) <= kTight);
  REQUIRE(relative_error(q1.rows[1], 6 / along * length) <= kTight);
  for (const Reduce reduce :
       {Reduce::kMean, Reduce::kSum, Reduce::kQuality, Reduce::kQuality1, Reduce::kUnitMean}) {
    const PooledTemplates pooled = pool_templates(view, groups, {reduce, reduce});
    REQUIRE(pooled.rows[2] == 0);
    REQUIRE(pooled.rows[3] == 0);
    REQUIRE(pooled.unreadable.empty());  // read, and zero
  }
}

TEST_CASE("pictures that cannot be read are left out, weights multiply, threads change nothing") {
  const Case c;
  // Without the two frames 13 of template 9, and without one of template 7's media 101.
  std::vector<std::uint8_t> valid(c.features.size(), 1);
  valid[11] = valid[12] = valid[0] = 0;
  const PooledTemplates pooled = pool_templates(c.view, c.groups, {Reduce::kMean, Reduce::kMean}, {}, valid);
  REQUIRE(pooled.unreadable == std::vector<std::size_t>{3});  // template 9
  REQUIRE(c.groups.ids[3] == 9);
  for (std::size_t d = 0; d < 5; ++d) {
    REQUIRE(pooled.rows[3 * 5 + d] == 0);
    REQUIRE(relative_error(pooled.rows[2 * 5 + d], (c.features[1][d] + c.features[13][d]) / 2) <= kTight);
  }
  std::vector<float> weights(c.features.size(), 1.0f);
  weights[10] = 0.25f;  // template 5's only picture
  const PooledTemplates weighted = pool_templates(c.view, c.groups, {Reduce::kMean, Reduce::kMean}, weights);
  for (std::size_t d = 0; d < 5; ++d) REQUIRE(weighted.rows[5 + d] == 0.25 * c.features[10][d]);

  std::vector<float> many;
  std::vector<std::int64_t> template_of, media_of;
  RandomStream random(3, RandomPurpose::kTest);
  for (int i = 0; i < 3000; ++i) {
    for (int d = 0; d < 20; ++d) many.push_back(static_cast<float>(random.normal()));
    template_of.push_back(static_cast<std::int64_t>(random.below(300)) - 150);
    media_of.push_back(static_cast<std::int64_t>(random.below(4)));
  }
  const nn::RowsView view{3000, 20, many.data(), nullptr};
  const TemplateGroups groups = group_templates(template_of, media_of);
  const Pooling quality{Reduce::kQuality, Reduce::kQuality};
  const std::vector<double> once = pool_templates(view, groups, quality, {}, {}, 1).rows;
  for (const int threads : {2, 5})
    REQUIRE(pool_templates(view, groups, quality, {}, {}, threads).rows == once);
}
