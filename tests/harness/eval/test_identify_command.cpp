// `eval identify` on made-up sets and on LFW's public lists with real embeddings; `eval ijbs` on its toy set.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/data/lists/ijbs_lists.h"
#include "harness/data/lists/subject_list.h"
#include "harness/synth/toy/toy.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

double rate(const nlohmann::json& score, std::size_t rank) {
  return score.at("top").at(rank).at("rate").get<double>();
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}
void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = text_of(file);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  std::ofstream(file) << text;
}

}  // namespace

TEST_CASE("identify: LFW's public lists with real embeddings give the known figures") {
  const fs::path features_folder = test::real_data("features"), lists = test::real_data("lists");
  if (features_folder.empty() || lists.empty())
    QCFACE_SKIP("QCFACE_REAL_DATA names no folder with features and lists: embeddings of LFW and its lists");
  const FileFeatures* names_of = nullptr;
  FileFeatures features(features_folder / "lfw_y1.npy", features_folder / "lfw_y1_names.txt",
                        FlipFusion::kVectorAdd);
  names_of = &features;
  const test::TemporaryFolder folder;
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--gallery", (lists / "lfw_ident_gallery.txt").string(), "--probe",
                                         (lists / "lfw_ident_probe.txt").string()});
    const auto measurement = test::make_measurement(protocol("identify"), "", arguments);
    measurement->names = &names_of->names();
    measurement->read();
    return measure(*measurement, features);
  };
  REQUIRE(test::contains(test::error_of([&] { run({}); }), "1723 of 5748 pictures are not among the names"));
  const Result result = run({"--allow-missing"});
  REQUIRE(result.json.at("gallery").at("rows") == 4025);
  REQUIRE(result.json.at("probes").at("mated") == 2630);
  REQUIRE(result.json.at("probes").at("nonmated") == 1045);
  const auto& score = result.json.at("scores")[0];
  // Counted by NumPy on the same rows.
  const double hits[] = {2540, 2589, 2596, 2605}, passes[] = {2160, 2306, 2452};
  for (std::size_t i = 0; i < 4; ++i) REQUIRE(rate(score, i) == hits[i] / 2630);
  const auto& rows = score.at("open_set").at("galleries")[0].at("rows");
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(rows[i].at("tpir").get<double>() == passes[i] / 2630);
  REQUIRE(rows[0].at("resolvable") == true);
  write_result(folder.path(), protocol("identify"), result, {});
  for (const char* file : {"identify.json", "identify.csv", "cmc.csv", "cmc.svg", "det.csv", "det.svg"})
    REQUIRE(fs::file_size(folder.path() / file) > 100);
}

TEST_CASE("identify: folders, several pictures of a subject, pooled or the best, and unreadable ones") {
  const test::PictureFolder pictures(7, 4);  // p0 .. p6
  const test::TemporaryFolder out;
  const fs::path root = pictures.root;
  std::ofstream(root / "gallery.txt")
      << "# enrolled\np0/0.png anna\np0/1.png\tanna\np1\\0.png bert\n\"p2/0.png\" 7 cleo\n";
  std::ofstream(root / "probe.csv")
      << "p0/2.png,anna\np1/1.png,bert\np2/1.png,cleo\np3/0.png,dora\np4/0.png,emil\n";
  test::FormulaEmbedder embedder(16);
  NetworkFeatures features(embedder, {});
  const std::vector<std::string> lists{"--gallery", (root / "gallery.txt").string(), "--probe",
                                       (root / "probe.csv").string()};
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), lists.begin(), lists.end());
    return test::run_protocol("identify", features, root, out.path(), more);
  };
  const Result best = run({});
  REQUIRE(best.json.at("gallery").at("rows") == 4);
  REQUIRE(best.json.at("gallery").at("subjects") == 3);
  REQUIRE(best.json.at("probes").at("nonmated") == 2);
  REQUIRE(rate(best.json.at("scores")[0], 0) == 1);
  REQUIRE(best.json.at("scores")[0].at("open_set").at("galleries")[0].at("mated") == 3);
  const std::string shown = screen_text(protocol("identify").present(best));
  for (const char* part : {"5 probes (3 mated, 2 not)", "TPIR at FPIR 0.1 *", "not resolvable"})
    REQUIRE(test::contains(shown, part));
  const Result pooled = run({"--template-reduce", "Q", "--qmf", "preset", "--preset", "qcface/ir50"});
  REQUIRE(pooled.json.at("gallery").at("rows") == 3);
  REQUIRE(pooled.json.at("scores").size() == 2);
  REQUIRE(rate(pooled.json.at("scores")[0], 0) == 1);
  std::ofstream(root / "p0" / "2.png") << "spoilt";
  const Result spoilt = run({});
  REQUIRE(spoilt.json.at("probes").at("readable") == 4);
  REQUIRE(spoilt.json.at("probes").at("mated") == 2);
  REQUIRE(test::contains(screen_text(protocol("identify").present(spoilt)),
                         "WARNING: 1 pictures could not be read: 1 probes"));

  // Folders of subject folders: the set against itself, every probe finds its own picture.
  const Result folders = test::run_protocol("identify", features, "", out.path(),
                                            {"--gallery", (root).string(), "--probe", root.string()});
  REQUIRE(rate(folders.json.at("scores")[0], 0) == 1);
  REQUIRE(!folders.json.at("scores")[0].contains("open_set"));
  REQUIRE(test::contains(folders.json.at("warnings")[0].get<std::string>(),
                         "28 of 28 probes are pictures of the gallery too"));
}

TEST_CASE("identify: lists that are damaged are refused with file and line") {
  const test::PictureFolder pictures(2, 3);
  const auto refusal = [&](const std::string& text, bool allow = false) {
    std::ofstream(pictures.root / "list.txt") << text;
    data::SubjectNumbers numbers;
    return test::error_of([&] {
      (void)data::read_subjects(pictures.root / "list.txt", pictures.root, numbers, {nullptr, allow});
    });
  };
  REQUIRE(refusal("p0/0.png a\np1/0.png 3 b\n") == "");
  REQUIRE(test::contains(refusal("p0/0.png a\np0/1.png\n"), "list.txt: line 2: expected `path subject`"));
  REQUIRE(test::contains(refusal("p0/0.png a\np0/1.png x b\n"), "line 2: expected `path subject`"));
  REQUIRE(test::contains(refusal("p0/0.png a\np1/0.png b\np0/0.png b\n"),
                         "line 3: the picture of line 1 again: p0/0.png"));
  REQUIRE(test::contains(refusal("p0/0.png a\np9/0.png b\np9/1.png b\n"), "2 of 3 pictures are not below"));
  REQUIRE(test::contains(refusal("p9/0.png b\n"), "p9/0.png (line 1)"));
  REQUIRE(test::contains(refusal("p9/0.png b\n", true), "none of its 1 pictures is there"));
  REQUIRE(test::contains(refusal("# nothing\n"), "no picture in this list"));
  std::ofstream(pictures.root / "a.txt") << "p0/0.png a\n";
  std::ofstream(pictures.root / "b.txt") << "p1/0.png b\n";
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {});
  const auto run = [&](std::vector<std::string> arguments) {
    return test::error_of([&] {
      (void)test::run_protocol("identify", features, pictures.root, pictures.root / "out", arguments);
    });
  };
  REQUIRE(test::contains(
      run({"--gallery", (pictures.root / "a.txt").string(), "--probe", (pictures.root / "b.txt").string()}),
      "no probe has a mate in the gallery"));
  REQUIRE(test::contains(run({}), "--gallery and --probe are needed"));
}

TEST_CASE("ijbs: five experiments of the toy set, marked unvalidated everywhere") {
  const test::TemporaryFolder folder;
  synth::ToyOptions options;
  options.out = folder / "set";
  options.people = 6;
  synth::make_toy("ijbs", options);
  test::FormulaEmbedder embedder(16);
  NetworkFeatures features(embedder, {});
  const Result result = test::run_protocol("ijbs", features, options.out, folder / "out");
  const auto json = test::read_json(folder / "out" / "ijbs.json");
  REQUIRE(test::contains(json.at("unvalidated").get<std::string>(), "never run on the real IJB-S"));
  REQUIRE(json.at("experiments").size() == 5);
  const auto& experiments = json.at("experiments");
  // Six people with two surveillance videos each; five of them are in a gallery.
  REQUIRE(experiments[0].at("probes") == 12);
  REQUIRE(experiments[0].at("mated") == 10);
  REQUIRE(experiments[0].at("gallery") == nlohmann::json({3, 2}));
  REQUIRE(experiments[2].at("name") == "multi_view_surveillance_to_booking");
  REQUIRE(experiments[2].at("probes") == 6);
  REQUIRE(experiments[4].at("probes") == 6);
  for (const auto& experiment : experiments) {
    REQUIRE(rate(experiment, 2) >= rate(experiment, 0));
    REQUIRE(rate(experiment, 0) > 0.3);
    REQUIRE(experiment.at("open_set").at("galleries").size() == 2);
  }
  const std::string shown = screen_text(protocol("ijbs").present(result));
  REQUIRE(test::contains(shown, "WARNING: IJB-S, unvalidated"));
  REQUIRE(test::contains(shown, "surveillance_to_surveillance"));
  REQUIRE(test::contains(text_of(folder / "out" / "cmc.svg"), "unvalidated"));

  const fs::path lists = options.out / "protocols";
  const auto refusal = [&] {
    return test::error_of([&] { (void)data::read_ijbs_lists(options.out, "", nullptr); });
  };
  const data::IjbsLists read = data::read_ijbs_lists(options.out, "", nullptr);
  REQUIRE(read.experiments[0].probes[0].pictures.size() == 2);
  REQUIRE(read.experiments[2].probes[0].pictures.size() == 4);
  REQUIRE(read.warnings.empty());
  replace_in(lists / "cs6_uav_to_single-booking_probe.csv", "videos/2.mp4", "videos/999.mp4");
  REQUIRE(test::contains(
      refusal(), "cs6_uav_to_single-booking_probe.csv: line 2: videos/999.mp4 is not in cs6_metadata.csv"));
  replace_in(lists / "cs6_uav_to_single-booking_probe.csv", "videos/999.mp4", "videos/5.mp4");
  REQUIRE(test::contains(refusal(), "line 3: the file of line 2 again"));
  replace_in(lists / "cs6_uav_to_single-booking_probe.csv", "videos/5.mp4", "videos/2.mp4");
  const std::string row = "0,1,img/0.jpg\n";
  replace_in(lists / "galleries" / "cs6_surveillance_to_single_g1.csv", row, row + row);
  REQUIRE(test::contains(
      refusal(), "cs6_surveillance_to_single_g1.csv: line 3: person and file of line 2 again: 1, img/0.jpg"));
  replace_in(lists / "galleries" / "cs6_surveillance_to_single_g1.csv", row + row, row);
  fs::remove(options.out / "1" / "videos_0_7.jpg");
  REQUIRE(
      test::contains(refusal(), "image_list_toy.csv: 1 pictures are not there: 1/videos_0_7.jpg (line 6)"));
  fs::remove(options.out / "image_list_toy.csv");
  fs::remove(options.out / "1" / "videos_0_0.jpg");
  REQUIRE(data::read_ijbs_lists(options.out, "", nullptr).warnings.size() == 1);  // a template without crops
  fs::remove(lists / "cs6_metadata.csv");
  REQUIRE(test::contains(refusal(), "no cs6_metadata.csv in it"));
}
