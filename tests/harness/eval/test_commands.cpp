// Protocols and `embed` end to end on small folders: files, tables, Spearman correlation, faults of the input.
#include <filesystem>
#include <fstream>

#include "core/npy.h"
#include "core/text.h"
#include "harness/data/lists/pairs.h"
#include "harness/eval/features/embed.h"
#include "harness/eval/protocols/degradation.h"
#include "harness/eval/protocols/verify.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::read_json;
using qcface::test::run_protocol;
using qcface::test::write_pairs;
namespace fs = std::filesystem;

namespace {

std::size_t count_lines(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::size_t count = 0;
  while (std::getline(stream, line)) ++count;
  return count;
}

// What the terminal shows of a result.
std::string table_of(const char* name, const Result& result) {
  return screen_text(protocol(name).present(result));
}

}  // namespace

TEST_CASE("eval verify writes its result files and counts a corrupt picture") {
  const test::PictureFolder folder(8, 4);
  const fs::path list = write_pairs(folder.root, 8, 4);
  std::ofstream(folder.root / "p3" / "1.png") << "spoilt";
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const fs::path out = folder.root / "out" / "eval";
  const Result result =
      run_protocol("verify", features, folder.root, out,
                   {"--qmf", "given", "--alpha", "0.05", "--beta", "0.08"}, {{"weights", "formula"}});
  REQUIRE(embedder.pictures == 32);
  const data::PairList pairs = data::read_pairs(list, folder.root);
  const VerifyResult want = verify_embeddings(pairs, extract_embeddings(embedder, pairs.images, {}),
                                              QmfConstants{0.05, 0.08, "given"});

  const auto json = read_json(out / "verify.json");
  REQUIRE(json.at("format") == "qcface-verify/1");
  REQUIRE(json.at("pairs").at("listed") == 48);
  REQUIRE(json.at("pairs").at("excluded") == 4);
  REQUIRE(json.at("corrupt").size() == 1);
  REQUIRE(json.at("cosine").at("accuracy_mean").get<double>() == want.cosine->kfold->accuracy_mean);
  REQUIRE(json.at("qmf").at("auc").get<double>() == want.qmf->auc);
  REQUIRE(json.at("qmf_constants").at("source") == "given");
  REQUIRE(json.at("conditions").at("weights") == "formula");
  REQUIRE(result.figures.at("accuracy").get<double>() == want.cosine->kfold->accuracy_mean);
  REQUIRE(count_lines(out / "magnitudes.csv") == 1 + 31);
  REQUIRE(count_lines(out / "roc.csv") == 1 + want.cosine->roc.points.size() + want.qmf->roc.points.size());
  REQUIRE(fs::file_size(out / "roc.svg") > 1000);

  const std::string table = table_of("verify", result);
  for (const char* part : {"accuracy, 10-fold (QCFace)", "InsightFace", "TAR at FAR 1e-06", "not resolvable",
                           "WARNING: 4 of 48 pairs excluded", "alpha 0.05"}) {
    CAPTURE(part);
    REQUIRE(test::contains(table, part));
  }
}

TEST_CASE("eval verify fits alpha and beta on a folder and stores them") {
  const test::PictureFolder folder(10, 3);
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  write_pairs(folder.root, 10, 3);
  const test::TemporaryFolder out;  // figures are pictures too
  const auto fit = [&] {
    run_protocol("verify", features, folder.root, out.path() / "result",
                 {"--qmf", "fit", "--fit-data", folder.root.string(), "--fit-seed", "5"});
    return read_json(out.path() / "result/verify.json").at("qmf_constants");
  };
  const auto first = fit();
  REQUIRE(std::isfinite(first.at("alpha").get<double>()));
  REQUIRE(first.at("fit").at("thresholds").size() >= 2);
  REQUIRE(test::contains(first.at("source"), "seed 5"));
  REQUIRE(fit() == first);
  // The figures do not rest on those pictures: the data is that of a run without constants.
  const auto fitted = read_json(out.path() / "result/verify.json").at("data");
  REQUIRE(run_protocol("verify", features, folder.root, out.path() / "plain").json.at("data") == fitted);
}

TEST_CASE("eval degradation: magnitude falls with the level, per kind and per source") {
  const test::TemporaryFolder folder;
  std::ofstream csv(folder.path() / "levels.csv");
  csv << "file,source,kind,level\n";
  for (const std::string kind : {"fade", "haze"}) {
    for (int source = 0; source < 3; ++source) {
      for (int level = 0; level < 4; ++level) {
        const std::string file = kind + std::to_string(source) + "_" + std::to_string(level) + ".png";
        data::write_image((folder.path() / file).string(), test::make_picture(source, 0, 0.2 * level));
        csv << file << "," << source << "," << kind << "," << 0.2 * level << "\n";
      }
    }
  }
  csv.close();
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const Result result = run_protocol("degradation", features, folder.path(), folder.path() / "eval");
  const DegradationResult found =
      evaluate_degradation(features, read_degradation_set(folder.path() / "levels.csv"));
  REQUIRE(found.kinds.size() == 2);
  REQUIRE(found.pictures == 24);
  for (const KindResult& kind : found.kinds) {
    REQUIRE(kind.levels.size() == 4);
    REQUIRE(kind.levels[0].count == 3);
    REQUIRE(kind.levels[0].min <= kind.levels[0].median);
    REQUIRE(kind.levels[0].median <= kind.levels[0].max);
    REQUIRE(kind.sources == 3);
    REQUIRE(kind.rho_pooled.has_value());
    REQUIRE(kind.rho_source_mean.has_value());
    REQUIRE(*kind.rho_source_mean <= *kind.rho_pooled + 1e-12);  // identity effects removed
  }
  const auto json = read_json(folder.path() / "eval/degradation.json");
  REQUIRE(json.at("kinds").size() == 2);
  REQUIRE(json.at("kinds")[0].at("samples").size() == 12);
  REQUIRE(json.at("kinds")[1].at("spearman_pooled").get<double>() == *found.kinds[1].rho_pooled);
  REQUIRE(test::contains(table_of("degradation", result), "fade"));
}

TEST_CASE("eval degradation: clean pictures count as level 0 of every kind; bad lists are named") {
  const test::PictureFolder folder(2, 3);
  const fs::path csv = folder.root / "levels.csv";
  std::ofstream(csv) << "file,source,kind,level\np0/0.png,a,none,0\np0/1.png,a,blur,1\np0/2.png,a,noise,2\n";
  const DegradationSet set = read_degradation_set(csv);
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {});
  const DegradationResult result = evaluate_degradation(features, set);
  REQUIRE(result.kinds.size() == 2);
  REQUIRE(result.kinds[0].levels.size() == 2);
  REQUIRE(result.kinds[1].levels.size() == 2);
  REQUIRE(embedder.pictures == 3);

  const auto error_for = [&](const std::string& text) {
    std::ofstream(csv) << text;
    return test::error_of([&] { (void)read_degradation_set(csv); });
  };
  REQUIRE(test::contains(error_for("a,b\n"), "line 1: expected the header"));
  REQUIRE(
      test::contains(error_for("file,source,kind,level\np0/0.png,a,blur\n"), "line 2: expected 4 fields"));
  REQUIRE(test::contains(error_for("file,source,kind,level\np0/0.png,a,blur,x\n"), "line 2: the level 'x'"));
  REQUIRE(test::contains(error_for("file,source,kind,level\np9/0.png,a,blur,1\n"), "p9/0.png"));
  REQUIRE(test::contains(error_for("file,source,kind,level\n"), "no picture is listed"));
}

TEST_CASE("embed writes embeddings, names and magnitudes of a folder tree in order") {
  const test::PictureFolder folder(3, 2);
  std::ofstream(folder.root / "p1" / "0.png") << "spoilt";
  const test::TemporaryFolder out;
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {});
  const EmbedResult result = run_embed(features, folder.root, out.path());
  REQUIRE(result.pictures == 5);
  REQUIRE(result.width == 8);
  REQUIRE(result.corrupt.size() == 1);
  const NpyArray values = read_npy(out.path() / "embeddings.npy");
  REQUIRE(values.dtype == "<f4");
  REQUIRE(values.shape == std::vector<std::int64_t>{5, 8});
  const auto names = read_npy(out.path() / "filenames.npy").to_strings();
  REQUIRE(names == std::vector<std::string>{"p0/0.png", "p0/1.png", "p1/1.png", "p2/0.png", "p2/1.png"});
  std::ifstream csv(out.path() / "magnitudes.csv");
  std::string line;
  std::getline(csv, line);
  REQUIRE(line == "path,identity,magnitude");
  std::getline(csv, line);
  REQUIRE(line.starts_with("p0/0.png,p0,"));
  double length = 0;
  const auto rows = values.to_double();
  for (std::size_t d = 0; d < 8; ++d) length += rows[d] * rows[d];
  REQUIRE(std::fabs(std::stod(line.substr(12)) - std::sqrt(length)) <= 1e-5 * std::sqrt(length));
  REQUIRE(test::contains(
      test::error_of([&] { (void)run_embed(features, folder.root / "missing", out.path()); }), "missing"));
}

TEST_CASE("embed: what is left out is told, and the three files change together") {
  const test::PictureFolder folder(2, 2);
  for (const char* file : {"a.heic", "b.gif", "none"}) std::ofstream(folder.root / "p1" / file) << "x";
  const test::TemporaryFolder out;
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {});
  const EmbedResult first = run_embed(features, folder.root, out.path());
  REQUIRE(first.pictures == 4);
  REQUIRE(first.left_out.count() == 3);
  REQUIRE(test::contains(first.left_out.describe(), "unknown suffix 3 (for example "));

  // One picture less, and a result that cannot be written to its end.
  fs::remove(folder.root / "p0" / "0.png");
  fs::create_directory(out.path() / "embeddings.npy.tmp");
  REQUIRE(test::error_of([&] { (void)run_embed(features, folder.root, out.path()); }) != "");
  REQUIRE(read_npy(out.path() / "filenames.npy").shape == std::vector<std::int64_t>{4});
  REQUIRE(read_npy(out.path() / "embeddings.npy").shape == std::vector<std::int64_t>{4, 8});
  REQUIRE(count_lines(out.path() / "magnitudes.csv") == 1 + 4);
}

TEST_CASE("any bytes are the name of a folder, a list and a picture") {
  const test::PictureFolder folder(6, 3);
  const fs::path odd = folder.root / "caf\xE9 \"1\", a";
  fs::create_directory(odd);
  for (const auto& entry : fs::directory_iterator(folder.root)) {
    if (entry.path() != odd) fs::rename(entry.path(), odd / (entry.path().filename().string() + "\xE9,"));
  }
  std::ofstream list(odd / "pairs\xFF.csv");
  for (int i = 0; i < 6; ++i) {
    list << "p" << i << "\xE9,/0.png\tp" << i << "\xE9,/1.png\t1\n";
    list << "p" << i << "\xE9,/0.png\tp" << (i + 1) % 6 << "\xE9,/2.png\t0\n";
  }
  list.close();
  std::ofstream(odd / "p0\xE9," / "1.png") << "spoilt";
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const fs::path list_path = odd / "pairs\xFF.csv", out = folder.root / "out\xE9";
  run_protocol("verify", features, odd, out, {"--pairs", list_path.string()},
               {{"weights", "w\xE9.safetensors"}});
  const auto json = read_json(out / "verify.json");
  REQUIRE(from_json_text(json.at("conditions").at("pair_list").get<std::string>()) == list_path.string());
  REQUIRE(from_json_text(json.at("conditions").at("weights").get<std::string>()) == "w\xE9.safetensors");
  REQUIRE(json.at("corrupt").size() == 1);
  REQUIRE(from_json_text(json.at("corrupt")[0].at("path").get<std::string>()) ==
          (odd / "p0\xE9," / "1.png").string());

  const fs::path embedded = folder.root / "embedded\xE9";
  REQUIRE(run_embed(features, odd, embedded).pictures == 17);
  REQUIRE(read_npy(embedded / "filenames.npy").to_strings().at(0) == "p0\xE9,/0.png");
  std::ifstream csv(embedded / "magnitudes.csv");
  std::string line;
  std::getline(csv, line);
  std::getline(csv, line);
  REQUIRE(line.starts_with("\"p0\xE9,/0.png\",\"p0\xE9,\","));

  std::ofstream(odd / "levels.csv") << "file,source,kind,level\n\"p1\xE9,/0.png\",\xE9,none,0\n"
                                    << "\"p1\xE9,/1.png\",\xE9,\xE9,1\n\"p1\xE9,/2.png\",\xE9,\xE9,2\n";
  run_protocol("degradation", features, odd, out);
  const auto levels = read_json(out / "degradation.json");
  REQUIRE(levels.at("pictures") == 3);
  REQUIRE(from_json_text(levels.at("kinds")[0].at("samples")[0].at("file").get<std::string>()) ==
          (odd / "p1\xE9," / "0.png").string());
}

TEST_CASE("levels.csv as a spreadsheet saves it") {
  const test::PictureFolder folder(1, 3);
  const fs::path csv = folder.root / "levels.csv";
  std::ofstream(csv) << "\xEF\xBB\xBF\"file\",\"source\",\"kind\",\"level\"\r\np0\\0.png,a,none,0\r\n"
                     << "\"p0/1.png\",\"a, b\",blur,\"1.5\"\r\n\r\n";
  const DegradationSet set = read_degradation_set(csv);
  REQUIRE(set.entries.size() == 2);
  REQUIRE(set.entries[0].file == (folder.root / "p0" / "0.png").string());
  REQUIRE(set.entries[1].source == "a, b");
  REQUIRE(set.entries[1].level == 1.5);
}

TEST_CASE("faults of inputs and outputs are found before a picture is embedded") {
  const test::PictureFolder folder(6, 3);
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  write_pairs(folder.root, 6, 3);
  const fs::path out = folder.root / "out";
  const auto error_with = [&](const std::vector<std::string>& arguments, const fs::path& to) {
    return test::error_of([&] { (void)run_protocol("verify", features, folder.root, to, arguments); });
  };
  const auto list = [&](const char* name) { return (folder.root / name).string(); };
  std::ofstream(folder.root / "file") << "x";
  std::ofstream(folder.root / "same.list") << "p0/0.png p0/1.png 1\np0/0.png p0/2.png 1\n";
  std::ofstream(folder.root / "missing.list") << "p0/0.png p9/1.png 1\np0/0.png p1/7.png 0\n";
  REQUIRE(test::contains(error_with({}, folder.root / "file" / "out"), "--out"));
  const std::string missing = error_with({"--pairs", list("missing.list")}, out);
  REQUIRE(test::contains(missing, "p9/1.png"));
  REQUIRE(test::contains(missing, "p1/7.png"));
  REQUIRE(test::contains(error_with({"--qmf", "preset", "--preset", "no such"}, out), "no such"));
  REQUIRE(test::contains(
      error_with({"--qmf", "fit", "--fit-data", folder.root.string(), "--fit-pairs", list("same.list")}, out),
      "both kinds"));
  REQUIRE(test::contains(error_with({"--alpha", "1"}, out), "--alpha and --qmf off contradict"));
  REQUIRE(embedder.pictures == 0);
}
