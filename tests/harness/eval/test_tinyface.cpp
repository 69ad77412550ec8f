// `eval tinyface` on the toy set and on the real lists: who takes part, figures as every score sorted gives them, damaged sets.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/data/lists/mat_write.h"
#include "harness/data/lists/tinyface_lists.h"
#include "harness/eval/measures/identification.h"
#include "harness/synth/toy/toy.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"
#include "tests/nn/plain_identify.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

constexpr const char* kAligned = "aligned_pad_0.1_pad_high";
constexpr int kPeople = 5;

struct Toy {
  Toy() : root(folder.path() / "set") {
    synth::ToyOptions options;
    options.out = root;
    options.people = kPeople;
    synth::make_toy("tinyface", options);
  }
  fs::path tests() const { return root / "tinyface" / "Testing_Set"; }
  data::TinyFaceLists read() const { return data::read_tinyface_lists(root, kAligned, nullptr); }
  std::string refusal() const {
    return test::error_of([&] { (void)read(); });
  }
  test::TemporaryFolder folder;
  fs::path root;
};

bool warns(const data::TinyFaceLists& lists, const std::string& part) {
  return std::any_of(lists.warnings.begin(), lists.warnings.end(),
                     [&](const std::string& warning) { return test::contains(warning, part); });
}

}  // namespace

TEST_CASE("tinyface: figures are those of every score sorted, from either place of the set") {
  const Toy toy;
  test::FormulaEmbedder embedder(12);
  ExtractOptions extract;
  extract.flip = FlipFusion::kAverage;
  NetworkFeatures features(embedder, extract);
  const fs::path out = toy.folder.path() / "out";
  const Result result =
      test::run_protocol("tinyface", features, toy.root, out, {"--alpha", "0.05", "--beta", "0.07"});
  const auto json = test::read_json(out / "tinyface.json");
  REQUIRE(json.at("format") == "qcface-tinyface/1");
  REQUIRE(json.at("probes").at("listed") == 2 * kPeople);
  REQUIRE(json.at("gallery").at("matched") == 1 + 2 + 3 + 1 + 2);
  REQUIRE(json.at("gallery").at("distractors") == 3 * kPeople);
  REQUIRE(json.at("subjects_from") == "MAT-files");
  REQUIRE(json.at("scores").size() == 2);
  for (const char* file : {"tinyface.csv", "cmc.csv", "cmc.svg"}) REQUIRE(fs::file_size(out / file) > 50);

  const data::TinyFaceLists lists = toy.read();
  const Embeddings embeddings = features.of(lists.files);
  const auto name = [](std::int64_t row) { return std::to_string(row); };
  const std::span<const std::int64_t> subjects(lists.subject);
  const std::size_t probes = static_cast<std::size_t>(lists.probes);
  const Mates mates =
      find_mates(subjects.first(probes), subjects.subspan(probes), MateRule::kAny, name, name);
  nn::IdentifyRequest request;
  request.probes = {lists.probes, 12, embeddings.fused.data(), nullptr};
  request.gallery = {embeddings.count - lists.probes, 12, embeddings.fused.data() + probes * 12, nullptr};
  request.mate_begin = mates.begin;
  request.mates = mates.rows;
  request.mate_ranks = true;
  const std::int64_t ranks[] = {1, 5, 10, 20};
  for (std::size_t s = 0; s < 2; ++s) {
    if (s == 1) request.rule = {nn::ScoreRule::kQmf, 0.05, 0.07};
    const auto want = test::plain_identify(request);
    const auto& score = json.at("scores")[s];
    REQUIRE(score.at("name") == (s == 0 ? "cosine" : "qmf"));
    const std::vector<double> hits = hit_rates(want, mates, ranks);
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(score.at("top")[i].at("rate").get<double>() == hits[i]);
    REQUIRE(score.at("mean_average_precision").get<double>() == mean_average_precision(want, mates));
    REQUIRE(hits[3] > hits[0]);
  }
  REQUIRE(result.figures.at("accuracy") == json.at("scores")[0].at("top")[0].at("rate"));
  REQUIRE(result.figures.contains("mean_average_precision_qmf"));
  const std::string shown = screen_text(protocol("tinyface").present(result));
  for (const char* part : {"rank 20", "mean average precision", "quality-aware", "distractors"})
    REQUIRE(test::contains(shown, part));

  // The same from tinyface itself, with the aligned pictures beside it; and by Euclidean distance.
  const Result inside =
      test::run_protocol("tinyface", features, toy.root / "tinyface", out, {"--similarity", "cosine"});
  REQUIRE(inside.json.at("scores")[0] == json.at("scores")[0]);
  request.rule = {nn::ScoreRule::kEuclid, 0, 0};
  const Result euclid = test::run_protocol("tinyface", features, toy.root, out, {"--similarity", "euclid"});
  REQUIRE(euclid.json.at("scores")[0].at("top")[0].at("rate").get<double>() ==
          hit_rates(test::plain_identify(request), mates, ranks)[0]);
  REQUIRE(test::contains(test::error_of([&] {
                           test::run_protocol("tinyface", features, toy.root, out, {"--similarity", "qmf"});
                         }),
                         "--similarity qmf needs constants"));
}

TEST_CASE("tinyface: as published all lengths are 1, and quality moves no rank") {
  const Toy toy;
  test::FormulaEmbedder embedder(12);
  ExtractOptions extract;
  extract.flip = FlipFusion::kAverage;
  NetworkFeatures features(embedder, extract);
  const Result result = test::run_protocol("tinyface", features, toy.root, toy.folder.path() / "out",
                                           {"--published", "--alpha", "0.05", "--beta", "0.07"});
  REQUIRE(result.json.at("published") == true);
  REQUIRE(result.json.at("scores")[0].at("top") == result.json.at("scores")[1].at("top"));
}

TEST_CASE("tinyface: a picture that cannot be read is left out and said") {
  const Toy toy;
  const data::TinyFaceLists lists = toy.read();
  for (const std::size_t picture : {std::size_t{0}, lists.files.size() - 1})
    std::ofstream(lists.files[picture]) << "spoilt";
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {});
  const Result result = test::run_protocol("tinyface", features, toy.root, toy.folder.path() / "out");
  REQUIRE(result.json.at("unreadable") == 2);
  REQUIRE(result.json.at("probes").at("readable") == 2 * kPeople - 1);
  REQUIRE(result.json.at("gallery").at("readable") == 9 + 3 * kPeople - 1);
  REQUIRE(test::contains(screen_text(protocol("tinyface").present(result)),
                         "WARNING: 2 pictures could not be read: 1 probes and 1 rows of the gallery"));
}

TEST_CASE("tinyface: sets that are damaged are refused with what is wrong") {
  {
    const Toy toy;
    fs::remove(toy.root / kAligned / "Probe" / "17_1.jpg");
    fs::remove(toy.root / kAligned / "Probe" / "22_2.jpg");
    REQUIRE(test::contains(toy.refusal(),
                           "2 of 10 pictures of Probe have no aligned twin there: 17_1.jpg, 22_2.jpg"));
    // Of another set a picture of that stem is no twin.
    REQUIRE(fs::exists(toy.root / kAligned / "Gallery_Distractor" / "1_1.jpg"));
  }
  {
    const Toy toy;
    fs::copy(toy.root / kAligned / "Probe" / "17_1.jpg", toy.root / kAligned / "Probe" / "17_1.png");
    REQUIRE(test::contains(toy.refusal(), "are twins of one picture"));
  }
  {
    const Toy toy;
    data::write_id_pairs(toy.tests() / "probe_img_ID_pairs.mat",
                         {{"17_1.jpg", "17_2.jpg", "17_1.jpg"}, {1, 1, 1}}, "probe_set", "probe_ids");
    REQUIRE(test::contains(toy.refusal(), "row 3 is row 1 again: 17_1.jpg"));
    data::write_id_pairs(toy.tests() / "probe_img_ID_pairs.mat", {{"99_1.jpg"}, {1}}, "probe_set",
                         "probe_ids");
    REQUIRE(test::contains(toy.refusal(), "have no aligned twin there: 99_1.jpg"));
  }
  {
    const Toy toy;
    fs::remove_all(toy.root / kAligned);
    REQUIRE(test::contains(toy.refusal(), "no folder aligned_pad_0.1_pad_high in it or beside it"));
    fs::remove_all(toy.root / "tinyface");
    REQUIRE(test::contains(toy.refusal(), "neither tinyface/Testing_Set nor Testing_Set is in it"));
    fs::remove_all(toy.root);
    REQUIRE(test::contains(toy.refusal(), "no such folder"));
  }
  {
    const Toy toy;
    for (const char* mat : {"probe_img_ID_pairs.mat", "gallery_match_img_ID_pairs.mat"})
      fs::remove(toy.tests() / mat);
    std::ofstream(toy.tests() / "Probe" / "nobody.jpg") << "x";
    REQUIRE(test::contains(toy.refusal(), "nobody.jpg: expected a number and _ in front"));
  }
}

TEST_CASE("tinyface: MAT-files and names are compared, and either alone will do") {
  const Toy toy;
  const data::TinyFaceLists by_mat = toy.read();
  REQUIRE(by_mat.from_mat);
  REQUIRE(by_mat.subject[0] == 1);
  REQUIRE(by_mat.subject.back() == data::kDistractor);
  REQUIRE(!warns(by_mat, "otherwise"));
  REQUIRE(warns(by_mat, "10 probes, published TinyFace has 3728"));

  fs::remove(toy.tests() / "probe_img_ID_pairs.mat");
  const data::TinyFaceLists by_name = toy.read();
  REQUIRE(!by_name.from_mat);
  REQUIRE(warns(by_name, "probe_img_ID_pairs.mat is missing beside it"));
  REQUIRE(by_name.files == by_mat.files);
  REQUIRE(by_name.subject[0] == 17);

  data::write_id_pairs(toy.tests() / "probe_img_ID_pairs.mat", {{"17_1.jpg", "17_2.jpg"}, {1, 4}},
                       "probe_set", "probe_ids");
  const data::TinyFaceLists mixed = toy.read();
  REQUIRE(mixed.probes == 2);
  REQUIRE(mixed.subject[1] == 4);
  REQUIRE(warns(mixed, "8 of 10 pictures of its set are not in it"));
  REQUIRE(warns(mixed, "otherwise than the numbers of their names do, for example 17_2.jpg"));
}

TEST_CASE("tinyface: the real lists, their pictures named from elsewhere") {
  const fs::path real = test::real_data("formats/mat");
  if (real.empty())
    QCFACE_SKIP("QCFACE_REAL_DATA names no folder with formats/mat: TinyFace's two MAT-files");
  const test::TemporaryFolder folder;
  const fs::path tests = folder.path() / "tinyface" / "Testing_Set";
  fs::create_directories(tests);
  std::vector<std::string> names{std::string(kAligned) + "/Gallery_Distractor/1_1.jpg"};
  for (const auto& [file, set, ids, where] :
       {std::array{"probe_img_ID_pairs.mat", "probe_set", "probe_ids", "Probe"},
        std::array{"gallery_match_img_ID_pairs.mat", "gallery_set", "gallery_ids", "Gallery_Match"}}) {
    fs::copy_file(real / file, tests / file);
    for (const std::string& name : data::read_id_pairs(real / file, set, ids).names)
      names.push_back(std::string(kAligned) + "/" + where + "/" + name);
  }
  const data::PictureNames known(names, "names");
  const data::TinyFaceLists lists = data::read_tinyface_lists(folder.path(), kAligned, &known);
  REQUIRE(lists.probes == 3728);
  REQUIRE(lists.matched == 4443);
  REQUIRE(lists.distractors == 1);
  REQUIRE(lists.identities == 2569);
  REQUIRE(lists.from_mat);
  // Nothing to warn of but the distractors that are not here: MAT-files and names group alike.
  REQUIRE(lists.warnings == std::vector<std::string>{"1 distractors, published TinyFace has 153428"});
  const std::span<const std::int64_t> subjects(lists.subject);
  const auto name = [&](std::int64_t row) { return std::to_string(row); };
  const Mates mates = find_mates(subjects.first(3728), subjects.subspan(3728), MateRule::kAny, name, name);
  REQUIRE(mates.mated_probes() == 3728);

  // Without the folder of the originals the names alone say it.
  const data::TinyFaceLists by_name = data::read_tinyface_lists("", kAligned, &known);
  REQUIRE(by_name.files.size() == lists.files.size());
  REQUIRE(by_name.identities == 2569);
  // Folders in front of them may be any, and originals among them are not the aligned ones.
  for (std::string& one : names) one = "/somewhere/" + one;
  names.push_back("tinyface/Testing_Set/Gallery_Distractor/1_1.jpg");
  const data::PictureNames elsewhere(names, "names");
  const data::TinyFaceLists found = data::read_tinyface_lists("", kAligned, &elsewhere);
  REQUIRE(found.files.size() == lists.files.size());
  REQUIRE(found.files.back() == "/somewhere/" + std::string(kAligned) + "/Gallery_Distractor/1_1.jpg");
  REQUIRE(data::read_tinyface_lists(folder.path(), kAligned, &elsewhere).files == found.files);
}
