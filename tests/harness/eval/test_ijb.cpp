// IJB-B and IJB-C: the toy set of the vectors, a painted one end to end, and lists that cannot be measured.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/npy.h"
#include "harness/console/usage.h"
#include "harness/eval/protocols/ijb.h"
#include "harness/synth/toy/toy.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::read_json;
using qcface::test::relative_error;
using qcface::test::run_protocol;
namespace fs = std::filesystem;

namespace {

constexpr double kTight = 1e-12;

data::IjbLists toy_lists() { return data::read_ijb_lists(data::find_ijb(test::vectors("ijb_toy"), "IJBC")); }

struct ToyFeatures {
  ToyFeatures() : array(read_npy(test::vectors("ijb_toy/features.npy"))) {
    for (const double value : array.to_double()) values.push_back(static_cast<float>(value));
    view = {array.shape[0], array.shape[1], values.data(), nullptr};
  }
  ToyFeatures(const ToyFeatures&) = delete;
  NpyArray array;
  std::vector<float> values;
  nn::RowsView view;
};

IjbChoice with_ir50(bool published) {
  IjbChoice choice;
  choice.published = published;
  choice.constants = qmf_preset("qcface/ir50");
  return choice;
}

}  // namespace

TEST_CASE("vector ijb_toy: verification, as recommended and as coded") {
  const auto expected = test::load_vector("ijb_toy/expected.json");
  const ToyFeatures features;
  const IjbSet set(toy_lists(), {});
  REQUIRE(set.lists().template_of == expected.at("template_of_image").get<std::vector<std::int64_t>>());
  REQUIRE(set.lists().media_of == expected.at("media_of_image").get<std::vector<std::int64_t>>());
  const auto scorer = nn::make_scorer();
  struct Case {
    const char* key;
    IjbSimilarity similarity;
    bool published;
  };
  for (const Case& c :
       {Case{"cosine", IjbSimilarity::kCosine, false}, Case{"cosine", IjbSimilarity::kCosine, true},
        Case{"qmf_ir50_recommended", IjbSimilarity::kQmf, false},
        Case{"qmf_ir50_as_coded", IjbSimilarity::kQmf, true}}) {
    CAPTURE(c.key, c.published);
    const auto& want = expected.at(c.key);
    const IjbFound found =
        set.measure(features.view, {}, ijb_method(c.similarity, with_ir50(c.published)), *scorer);
    const auto scores = test::numbers(want.at("score"));
    REQUIRE(found.verification->scores.size() == scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      CAPTURE(i);
      REQUIRE(relative_error(found.verification->scores[i], scores[i]) <= kTight);
      REQUIRE((set.lists().same[i] != 0) == (expected.at("pairs")[i][2].get<int>() != 0));
    }
    const auto tar = test::numbers(want.at("tar_nearest"));
    for (std::size_t i = 0; i < tar.size(); ++i)
      REQUIRE(relative_error(found.verification->table.tar[i].tar_nearest, tar[i]) <= kTight);
    REQUIRE(relative_error(found.verification->auc, want.at("auc")) <= kTight);
  }
}

TEST_CASE("vector ijb_toy: identification by cosine and by the quality-aware score") {
  const auto expected = test::load_vector("ijb_toy/expected.json");
  const ToyFeatures features;
  const IjbSet set(toy_lists(), {});
  const auto scorer = nn::make_scorer();
  for (const auto& [key, similarity] : {std::pair{"identification_cosine", IjbSimilarity::kCosine},
                                        std::pair{"identification_qmf_ir50", IjbSimilarity::kQmf}}) {
    for (const bool published : {false, true}) {
      CAPTURE(key, published);
      const auto& want = expected.at(key);
      const IjbFound found =
          set.measure(features.view, {}, ijb_method(similarity, with_ir50(published)), *scorer);
      REQUIRE(found.identification->top ==
              std::vector<double>{want.at("top1"), want.at("top5"), want.at("top10")});
      REQUIRE(want.at("recall").size() == 2);
      for (std::size_t i = 0; i < 2; ++i) {
        const auto& recall = want.at("recall")[i];
        REQUIRE(found.identification->recall[i].k == recall.at("k").get<std::int64_t>());
        REQUIRE(relative_error(found.identification->recall[i].threshold, recall.at("threshold")) <= kTight);
        REQUIRE(found.identification->recall[i].recall == recall.at("recall").get<double>());
      }
      // Everybody of one gallery is a stranger to the other.
      REQUIRE(found.identification->galleries.size() == 2);
      REQUIRE(found.identification->galleries[0].mated == found.identification->galleries[1].nonmated);
    }
  }
}

TEST_CASE(
    "euclid takes the extremes of all pairs, and of blocks only as published; magface's score is an angle") {
  const ToyFeatures features;
  const IjbSet set(toy_lists(), {});
  const auto scorer = nn::make_scorer();
  const IjbFound euclid = set.measure(features.view, {}, ijb_method(IjbSimilarity::kEuclid, {}), *scorer);
  const auto [low, high] =
      std::minmax_element(euclid.verification->scores.begin(), euclid.verification->scores.end());
  REQUIRE(*low == 0);
  REQUIRE(std::fabs(*high - 1) <= 1e-9);
  REQUIRE((euclid.method.verification == Pooling{Reduce::kMean, Reduce::kMean}));
  REQUIRE((ijb_method(IjbSimilarity::kEuclid, with_ir50(true)).verification ==
           Pooling{Reduce::kQuality, Reduce::kSum}));

  const IjbFound magface = set.measure(features.view, {}, ijb_method(IjbSimilarity::kMagface, {}), *scorer);
  const PooledTemplates pooled =
      pool_templates(features.view, set.groups(), {Reduce::kUnitMean, Reduce::kMean});
  const nn::RowsView rows{static_cast<std::int64_t>(set.groups().size()), pooled.width, nullptr,
                          pooled.rows.data()};
  std::vector<double> cosines(set.lists().pairs.size());
  scorer->pair_scores(rows, set.lists().pairs, {}, cosines);
  for (std::size_t i = 0; i < cosines.size(); ++i)
    REQUIRE(relative_error(magface.verification->scores[i],
                           1 - std::acos(cosines[i]) / 3.14159265358979323846) <= 1e-11);
}

TEST_CASE("insightface weights pictures by the detector's score unless told not to") {
  const ToyFeatures features;
  const IjbSet set(toy_lists(), {});
  const auto scorer = nn::make_scorer();
  IjbChoice plain;
  plain.detector = false;
  const auto weighted = set.measure(features.view, {}, ijb_method(IjbSimilarity::kInsightface, {}), *scorer);
  const auto unweighted =
      set.measure(features.view, {}, ijb_method(IjbSimilarity::kInsightface, plain), *scorer);
  REQUIRE(weighted.verification->scores != unweighted.verification->scores);
  std::vector<float> scaled;
  for (std::size_t i = 0; i < features.values.size(); ++i)
    scaled.push_back(features.values[i] * set.lists().detector[i / 8]);
  const auto by_hand = set.measure({features.view.count, features.view.width, scaled.data(), nullptr}, {},
                                   ijb_method(IjbSimilarity::kInsightface, plain), *scorer);
  for (std::size_t i = 0; i < weighted.verification->scores.size(); ++i)
    REQUIRE(std::fabs(weighted.verification->scores[i] - by_hand.verification->scores[i]) <=
            1e-6);  // f32 products
}

TEST_CASE("IJB lists that cannot be measured: mates, templates without a picture, constants") {
  const ToyFeatures features;
  const auto scorer = nn::make_scorer();
  data::IjbLists lists = toy_lists();
  lists.gallery[1].subjects[0] = lists.gallery[0].subjects[0];
  const std::string two = test::error_of([&] { const IjbSet set(lists, {}); });
  REQUIRE(test::contains(two, "ijbc_1N_probe_mixed.csv line "));
  REQUIRE(test::contains(two, "subject " + std::to_string(lists.gallery[0].subjects[0])));
  lists = toy_lists();
  lists.probes.subjects[3] = 12345;
  const std::string none = test::error_of([&] { const IjbSet set(lists, {}); });
  REQUIRE(
      test::contains(none, fmt::format("ijbc_1N_probe_mixed.csv line {}: template ", lists.probes.lines[3])));
  REQUIRE(test::contains(none, "subject 12345"));
  REQUIRE(test::error_of([&] { const IjbSet set(lists, {.pairs = true, .identification = false}); }) == "");

  const IjbSet set(toy_lists(), {});
  std::vector<std::uint8_t> valid(78, 1);
  for (const std::int32_t picture : set.groups().pictures_of(2)) valid[static_cast<std::size_t>(picture)] = 0;
  const std::string unreadable = test::error_of(
      [&] { (void)set.measure(features.view, valid, ijb_method(IjbSimilarity::kCosine, {}), *scorer); });
  REQUIRE(test::contains(unreadable, "template " + std::to_string(set.groups().ids[2]) + ": none of its "));
  REQUIRE(test::contains(test::error_of([] { (void)ijb_method(IjbSimilarity::kQmf, {}); }),
                         "needs the constants"));
}

TEST_CASE("eval ijb on a painted set: loose crops, both sets, files, every similarity") {
  const test::TemporaryFolder folder;
  synth::ToyOptions toy;
  toy.out = folder / "toy";
  toy.people = 6;
  synth::make_toy("ijb", toy);
  std::ofstream(toy.out / "IJBC/loose_crop/3.jpg") << "spoilt";  // its template has others
  test::FormulaEmbedder embedder(12);
  ExtractOptions options;
  options.flip = FlipFusion::kAverage;
  NetworkFeatures features(embedder, options);
  const fs::path out = folder / "out";
  const Result result =
      run_protocol("ijb", features, toy.out, out,
                   {"--dataset_name", "IJBC", "--similarity_method", "cosine", "qmf", "euclid", "insightface",
                    "magface", "--qmf", "given", "--alpha", "0.05", "--beta", "0.08", "--save-scores"},
                   {{"weights", "formula"}});
  REQUIRE(embedder.pictures == 2 * 54);
  const auto json = read_json(out / "ijb.json");
  REQUIRE(json.at("format") == "qcface-ijb/1");
  REQUIRE(json.at("dataset") == "IJBC");
  REQUIRE(json.at("pictures").at("unreadable") == 1);
  REQUIRE(json.at("pairs").at("used") == 72);
  REQUIRE(json.at("pairs").at("same") == 12);
  REQUIRE(json.at("probes") == 12);
  REQUIRE(json.at("flip") == "average");
  REQUIRE(json.at("methods").size() == 5);
  REQUIRE(json.at("qmf_constants").at("alpha") == 0.05);
  for (const auto& method : json.at("methods")) {
    CAPTURE(method.at("name"));
    REQUIRE(method.at("verification").at("tar_at_far").size() == 6);
    REQUIRE(method.at("verification").at("auc").get<double>() >
            0.6);  // a formula of smooth pictures knows people a little
    REQUIRE(method.at("identification").at("top")[2].at("rate").get<double>() == 1);  // six people
  }
  const NpyArray scores = read_npy(out / "scores.npy");
  REQUIRE(scores.dtype == "<f8");
  REQUIRE(scores.shape == std::vector<std::int64_t>{72, 2});
  REQUIRE(scores.to_double()[0] == 1);
  REQUIRE(fs::exists(out / "scores_magface.npy"));
  REQUIRE(fs::file_size(out / "roc.svg") > 1000);
  const std::string csv = read_file(out / "ijb.csv");
  for (const char* part :
       {"cosine,tar_nearest,1e-06,", "qmf,tpir,0.01,", "magface,top,10,1,", "euclid,auc,,"}) {
    CAPTURE(part);
    REQUIRE(test::contains(csv, part));
  }
  REQUIRE(result.figures.at("auc") == json.at("methods")[0].at("verification").at("auc"));
  REQUIRE(result.figures.contains("tar_strict_1e-4_qmf"));
  const std::string shown = screen_text(protocol("ijb").present(result));
  for (const char* part :
       {"54 pictures, 18 templates, 72 pairs (12 same, 60 different), galleries of 3 and 3, 12 probes",
        "WARNING: 1 pictures could not be read", "TAR at FAR 0.0001, strict", "identification, rank 1",
        "TPIR at FPIR 0.1, mean of galleries", "quality-aware: media/template by Q/Q"}) {
    CAPTURE(part);
    REQUIRE(test::contains(shown, part));
  }
  // What present() makes of a damaged file is less, never an exception.
  Result damaged;
  damaged.json = {{"methods", {1, {{"name", 3}, {"verification", {{"tar_at_far", {5, "x"}}}}}}},
                  {"gallery", {"a", 1}},
                  {"pictures", 7}};
  damaged.sheets["roc.csv"] = "score\nx,y\n";
  (void)screen_text(protocol("ijb").present(damaged));

  // Aligned beforehand, the pictures are taken as they are.
  const Result aligned =
      run_protocol("ijb", features, toy.out / "IJBB", folder / "aligned", {"--aligned", "--no-1n"});
  REQUIRE(aligned.json.at("dataset") == "IJBB");
  REQUIRE_FALSE(aligned.json.contains("probes"));
  const Result by_points = run_protocol("ijb", features, toy.out / "IJBB", folder / "points", {"--no-1n"});
  REQUIRE(aligned.json.at("methods")[0].at("verification") !=
          by_points.json.at("methods")[0].at("verification"));
  fs::remove(toy.out / "IJBB/loose_crop/7.jpg");
  REQUIRE(test::contains(
      test::error_of([&] { run_protocol("ijb", features, toy.out / "IJBB", folder / "none"); }),
      "ijbb_name_5pts_score.txt: line 7: 7.jpg is not in"));
}

TEST_CASE("eval ijb refuses options that contradict each other") {
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const auto error_with = [&](const std::vector<std::string>& arguments) {
    return test::error_of(
        [&] { run_protocol("ijb", features, test::vectors("ijb_toy"), "none", arguments); });
  };
  REQUIRE(test::contains(error_with({"--similarity_method", "qmf"}), "needs constants"));
  REQUIRE(test::contains(error_with({"--similarity_method", "cos"}),
                         "known: cosine, qmf, euclid, insightface, magface"));
  REQUIRE(test::contains(error_with({"--qmf", "preset", "--preset", "qcface/ir50"}), "no meaning without"));
  REQUIRE(test::contains(error_with({"--no-1n", "--no-1v1"}), "leave nothing"));
  REQUIRE(test::contains(error_with({"--save-scores", "--no-1v1"}), "contradict"));
  REQUIRE(test::contains(error_with({}), "line 1: 1.jpg is not in"));  // no picture is there
}
