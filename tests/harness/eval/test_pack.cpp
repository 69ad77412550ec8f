// `verify` on packs, and on lists and packs that cannot give every figure.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "core/atomic_file.h"
#include "harness/eval/protocols/verify.h"
#include "tests/core/pickle_support.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

std::string shown(const Result& result) { return screen_text(protocol("verify").present(result)); }

// Writes the pictures of these pairs as a pack.
struct Pair {
  int a, b;
  bool same;
};
void write_pack(const fs::path& file, const std::vector<std::string>& pictures,
                const std::vector<Pair>& pairs) {
  std::string images, labels;
  for (const Pair& pair : pairs) {
    for (const int picture : {pair.a, pair.b}) {
      const std::string bytes = read_file(pictures[static_cast<std::size_t>(picture)]);
      images += "B" + test::number(static_cast<std::uint32_t>(bytes.size())) + bytes;
    }
    labels += pair.same ? "\x88" : "\x89";
  }
  write_file_atomically(file, test::pickle("](" + images + "e](" + labels + "e\x86"));
}
void write_list(const fs::path& file, const std::vector<std::string>& pictures,
                const std::vector<Pair>& pairs) {
  std::ofstream list(file);
  for (const Pair& pair : pairs)
    list << pictures[static_cast<std::size_t>(pair.a)] << " " << pictures[static_cast<std::size_t>(pair.b)]
         << " " << pair.same << "\n";
}

// Pairs of both kinds over a folder of 3 pictures a person, in turns.
std::vector<Pair> both_kinds(int pairs, int people) {
  std::vector<Pair> made;
  for (int i = 0; i < pairs; ++i) {
    const int person = i % people;
    made.push_back(i % 2 == 0 ? Pair{3 * person, 3 * person + 1 + i / people % 2, true}
                              : Pair{3 * person, 3 * ((person + 1) % people) + i / people % 3, false});
  }
  return made;
}

// Nothing that JSON has no word for: the library writes NaN and infinity as null.
bool has_null(const nlohmann::json& json) {
  if (json.is_null()) return true;
  return json.is_structured() &&
         std::any_of(json.begin(), json.end(), [](const auto& item) { return has_null(item); });
}

}  // namespace

TEST_CASE("verify of a pack finds what a list of the same pictures finds", "[pack]") {
  const test::PictureFolder folder(8, 3);
  const auto pairs = both_kinds(43, 8);  // no multiple of ten: the first three folds have one pair more
  write_pack(folder.root / "toy.bin", folder.files, pairs);
  write_list(folder.root / "toy.list", folder.files, pairs);
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const Result of_pack = test::run_protocol("verify", features, folder.root / "toy.bin", folder.root / "a");
  CHECK(embedder.pictures == 86);
  const Result of_list = test::run_protocol("verify", features, folder.root, folder.root / "b",
                                            {"--pairs", (folder.root / "toy.list").string()});
  for (const char* part : {"cosine", "cosine_scores", "pairs"})
    CHECK(of_pack.json.at(part) == of_list.json.at(part));
  CHECK(of_pack.json.at("insightface").at("accuracy_mean") ==
        of_list.json.at("insightface").at("accuracy_mean"));
  CHECK(of_pack.json.at("cosine").at("folds").at(2).at("pairs") == 5);
  CHECK(of_pack.json.at("cosine").at("folds").at(3).at("pairs") == 4);
  CHECK_FALSE(of_pack.json.contains("missing"));
  CHECK(of_pack.json.at("conditions").at("pair_list") == (folder.root / "toy.bin").string());
  CHECK(read_file(folder.root / "a/roc.csv") == read_file(folder.root / "b/roc.csv"));
  CHECK(test::contains(read_file(folder.root / "a/magnitudes.csv"), "toy.bin/85,toy.bin,"));
  CHECK(test::contains(shown(of_pack), "of one person"));
  CHECK(test::contains(test::error_of([&] {
                         (void)test::run_protocol("verify", features, folder.root / "toy.bin",
                                                  folder.root / "c",
                                                  {"--pairs", (folder.root / "toy.list").string()});
                       }),
                       "a pack holds its own pairs"));
}

TEST_CASE("cache: a pack is known by its file and its numbers", "[pack]") {
  const test::PictureFolder folder(8, 3);
  const fs::path pack = folder.root / "toy.bin";
  write_pack(pack, folder.files, both_kinds(20, 8));
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {}, folder.root / "cache");
  const auto run = [&](const fs::path& file) {
    auto json = test::run_protocol("verify", features, file, folder.root / "out").json;
    json.erase("embed_seconds");
    return json;
  };
  const auto first = run(pack);
  CHECK(embedder.pictures == 40);
  CHECK(run(pack) == first);
  CHECK(embedder.pictures == 40);
  const fs::path before = fs::current_path();
  fs::current_path(folder.root);
  run("toy.bin");  // the same file
  fs::current_path(before);
  CHECK(embedder.pictures == 40);
  fs::copy_file(pack, folder.root / "other.bin");
  run(folder.root / "other.bin");  // another one
  CHECK(embedder.pictures == 80);
  auto changed = both_kinds(20, 8);
  std::reverse(changed.begin(), changed.end());
  write_pack(pack, folder.files, changed);
  CHECK(run(pack) != first);
  CHECK(embedder.pictures == 120);
}

TEST_CASE("verify: pairs of one kind give magnitudes and mean scores, and a sentence on the rest", "[pack]") {
  const test::PictureFolder folder(8, 3);
  test::FormulaEmbedder embedder(12);
  for (const bool same : {true, false}) {
    for (const bool flip : {true, false}) {
      auto pairs = both_kinds(48, 8);
      pairs.erase(
          std::remove_if(pairs.begin(), pairs.end(), [&](const Pair& pair) { return pair.same != same; }),
          pairs.end());
      const fs::path pack = folder.root / "one.bin", out = folder.root / (same ? "same" : "different");
      write_pack(pack, folder.files, pairs);
      ExtractOptions options;
      if (flip) options.flip = FlipFusion::kAverage;
      NetworkFeatures features(embedder, options);
      const Result result =
          test::run_protocol("verify", features, pack, out, {"--qmf", "preset", "--preset", "qcface/ir50"});
      const auto json = test::read_json(out / "verify.json");
      const std::string sentence = same ? "24 pairs of one person and 0 of two: accuracy, ROC, AUC, EER, TAR "
                                          "and VAL need pairs of both kinds"
                                        : "0 pairs of one person and 24 of two: accuracy, ROC, AUC, EER, TAR "
                                          "and VAL need pairs of both kinds";
      CHECK(test::contains(json.at("missing").get<std::string>(), sentence));
      CHECK(test::contains(shown(result), "WARNING: " + sentence));
      CHECK_FALSE(test::contains(shown(result), "accuracy, 10-fold"));
      CHECK_FALSE(test::contains(shown(result), "nan"));
      CHECK(test::contains(shown(result), same ? "of one person" : "of two"));
      CHECK_FALSE(has_null(json));
      CHECK_FALSE(json.contains("cosine"));
      CHECK_FALSE(json.contains("qmf"));
      CHECK(json.at("qmf_constants").at("source") == "preset qcface/ir50");
      const auto& scores = json.at("cosine_scores");
      CHECK(scores.size() == 1);
      CHECK(scores.at(same ? "same" : "different").at("count") == 24);
      CHECK(json.at("magnitude").at("mean").get<double>() > 0);
      CHECK(json.at("insightface").at("mean_norm").get<double>() > 0);
      CHECK_FALSE(result.figures.contains("accuracy"));
      CHECK(result.headline == "24 pairs");
      CHECK(read_file(out / "roc.csv") == "score,fpr,tpr,threshold\n");
      CHECK_FALSE(fs::exists(out / "roc.svg"));
      // Read back, it is shown alike, and without a complaint about the curve.
      std::vector<std::string> problems;
      const auto again = read_result(out, protocol("verify"), problems);
      REQUIRE(again.has_value());
      CHECK(shown(*again) == shown(result));
      for (const auto& block : protocol("verify").present(*again).blocks) {
        if (const Note* note = std::get_if<Note>(&block)) CHECK_FALSE(test::contains(note->text, "roc.csv"));
      }
      CHECK(protocol("verify").present(*again).tiles.empty());
      const auto measurement = test::make_measurement(protocol("verify"), pack);
      measurement->read();
      CHECK(
          test::contains(test::error_of([&] { measurement->require_accuracy(); }), "both kinds are needed"));
    }
  }
}

TEST_CASE("verify: fewer than ten pairs of both kinds give a curve and no folds", "[pack]") {
  const test::PictureFolder folder(8, 3);
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  write_list(folder.root / "pairs.list", folder.files, both_kinds(7, 8));
  const Result result = test::run_protocol("verify", features, folder.root, folder.root / "out");
  const auto json = test::read_json(folder.root / "out/verify.json");
  CHECK(json.at("missing") == "7 pairs: 10-fold accuracies and VAL need at least 10 and are left out");
  CHECK(json.at("cosine").contains("auc"));
  CHECK_FALSE(json.at("cosine").contains("accuracy_mean"));
  CHECK_FALSE(has_null(json));
  CHECK(fs::exists(folder.root / "out/roc.svg"));
  CHECK(test::contains(shown(result), "AUC"));
  CHECK_FALSE(test::contains(shown(result), "accuracy, 10-fold"));
  CHECK(result.headline.starts_with("AUC "));
  CHECK(protocol("verify").present(result).tiles.size() == 1);
}

TEST_CASE("verify: statistics of scores by kind", "[pack]") {
  const std::vector<double> scores{0.5, -0.5, 0.25, 1};
  const std::vector<char> same{1, 0, 1, 1};
  const auto of_same = score_stats(scores, same, 1), of_different = score_stats(scores, same, 0);
  REQUIRE(of_same.has_value());
  CHECK(of_same->count == 3);
  CHECK(std::fabs(of_same->mean - 1.75 / 3) < 1e-15);
  CHECK(of_same->min == 0.25);
  CHECK(of_same->max == 1);
  REQUIRE(of_different.has_value());
  CHECK(of_different->std == 0);
  const std::vector<char> all(4, 1);
  CHECK_FALSE(score_stats(scores, all, 0).has_value());
}
