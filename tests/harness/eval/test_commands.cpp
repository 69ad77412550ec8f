// The three commands end to end on small folders: files, tables, Spearman correlation, faults of the input.
#include "harness/eval/commands.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/npy.h"
#include "core/text.h"
#include "harness/eval/results.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

nlohmann::json read_json(const fs::path& file) {
  std::ifstream stream(file);
  REQUIRE(stream.good());
  return nlohmann::json::parse(stream);
}
std::size_t count_lines(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::size_t count = 0;
  while (std::getline(stream, line)) ++count;
  return count;
}

// Every same pair of neighbours and as many different ones.
fs::path write_pairs(const fs::path& root, int identities, int pictures) {
  std::ofstream list(root / "pairs.list");
  for (int identity = 0; identity < identities; ++identity) {
    for (int picture = 0; picture + 1 < pictures; ++picture) {
      list << "p" << identity << "/" << picture << ".png p" << identity << "/" << picture + 1 << ".png 1\n";
      list << "p" << identity << "/" << picture << ".png p" << (identity + 1) % identities << "/" << picture
           << ".png 0\n";
    }
  }
  return root / "pairs.list";
}

}  // namespace

TEST_CASE("eval verify writes its result files and counts a corrupt picture") {
  const test::PictureFolder folder(8, 4);
  const fs::path list = write_pairs(folder.root, 8, 4);
  std::ofstream(folder.root / "p3" / "1.png") << "spoilt";
  test::FormulaEmbedder embedder(12);
  VerifyOptions options;
  options.pairs = list;
  options.images = folder.root;
  options.out = folder.root / "out" / "eval";
  options.qmf = QmfChoice::kGiven;
  options.alpha = 0.05;
  options.beta = 0.08;
  options.conditions = {{"weights", "formula"}};
  const VerifyResult result = run_eval_verify(embedder, options);
  REQUIRE(embedder.pictures == 32);
  REQUIRE(result.corrupt.size() == 1);
  REQUIRE(result.pairs_listed == 48);
  REQUIRE(result.pairs_excluded == 4);

  const auto json = read_json(options.out / "verify.json");
  REQUIRE(json.at("format") == "qcface-verify/1");
  REQUIRE(json.at("pairs").at("excluded") == 4);
  REQUIRE(json.at("corrupt").size() == 1);
  REQUIRE(json.at("cosine").at("accuracy_mean").get<double>() == result.cosine.kfold.accuracy_mean);
  REQUIRE(json.at("qmf").at("auc").get<double>() == result.qmf->auc);
  REQUIRE(json.at("qmf_constants").at("source") == "given");
  REQUIRE(json.at("conditions").at("weights") == "formula");
  REQUIRE(count_lines(options.out / "magnitudes.csv") == 1 + 31);
  REQUIRE(count_lines(options.out / "roc.csv") ==
          1 + result.cosine.roc.points.size() + result.qmf->roc.points.size());
  REQUIRE(fs::file_size(options.out / "roc.svg") > 1000);

  const std::string table = format_table(result);
  for (const char* part : {"accuracy, 10-fold (QCFace)", "InsightFace", "TAR at FAR 1e-06", "not resolvable",
                           "WARNING: 4 of 48 pairs excluded", "alpha 0.05"}) {
    CAPTURE(part);
    REQUIRE(test::contains(table, part));
  }
}

TEST_CASE("eval verify fits alpha and beta on a folder and stores them") {
  const test::PictureFolder folder(10, 3);
  test::FormulaEmbedder embedder(12);
  VerifyOptions options;
  options.pairs = write_pairs(folder.root, 10, 3);
  options.images = folder.root;
  options.out = folder.root / "result";
  options.qmf = QmfChoice::kFit;
  options.fit_images = folder.root;
  options.fit_seed = 5;
  options.fit.fmr_min = 0.01;
  options.fit.fmr_max = 0.5;
  const VerifyResult first = run_eval_verify(embedder, options);
  REQUIRE(first.fit.has_value());
  const auto json = read_json(options.out / "verify.json");
  REQUIRE(json.at("qmf_constants").at("alpha").get<double>() == first.fit->alpha);
  REQUIRE(test::contains(json.at("qmf_constants").at("source"), "seed 5"));
  const VerifyResult again = run_eval_verify(embedder, options);
  REQUIRE(again.fit->alpha == first.fit->alpha);
  REQUIRE(again.fit->beta == first.fit->beta);
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
  DegradationOptions options;
  options.levels = folder.path() / "levels.csv";
  options.out = folder.path() / "eval";
  const DegradationResult result = run_eval_degradation(embedder, options);
  REQUIRE(result.kinds.size() == 2);
  REQUIRE(result.pictures == 24);
  for (const KindResult& kind : result.kinds) {
    REQUIRE(kind.levels.size() == 4);
    REQUIRE(kind.levels[0].count == 3);
    REQUIRE(kind.levels[0].min <= kind.levels[0].median);
    REQUIRE(kind.levels[0].median <= kind.levels[0].max);
    REQUIRE(kind.sources == 3);
    REQUIRE(kind.rho_pooled.has_value());
    REQUIRE(kind.rho_source_mean.has_value());
    REQUIRE(*kind.rho_source_mean <= *kind.rho_pooled + 1e-12);  // identity effects removed
  }
  const auto json = read_json(options.out / "degradation.json");
  REQUIRE(json.at("kinds").size() == 2);
  REQUIRE(json.at("kinds")[0].at("samples").size() == 12);
  REQUIRE(test::contains(format_table(result), "fade"));
}

TEST_CASE("eval degradation: clean pictures count as level 0 of every kind; bad lists are named") {
  const test::PictureFolder folder(2, 3);
  const fs::path csv = folder.root / "levels.csv";
  std::ofstream(csv) << "file,source,kind,level\np0/0.png,a,none,0\np0/1.png,a,blur,1\np0/2.png,a,noise,2\n";
  const DegradationSet set = read_degradation_set(csv);
  test::FormulaEmbedder embedder(8);
  const DegradationResult result = evaluate_degradation(embedder, set, {});
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
  EmbedOptions options;
  options.images = folder.root;
  options.out = out.path();
  const EmbedResult result = run_embed(embedder, options);
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
  options.images = folder.root / "missing";
  REQUIRE(test::contains(test::error_of([&] { (void)run_embed(embedder, options); }), "missing"));
}

TEST_CASE("embed: what is left out is told, and the three files change together") {
  const test::PictureFolder folder(2, 2);
  for (const char* file : {"a.heic", "b.gif", "none"}) std::ofstream(folder.root / "p1" / file) << "x";
  const test::TemporaryFolder out;
  test::FormulaEmbedder embedder(8);
  EmbedOptions options;
  options.images = folder.root;
  options.out = out.path();
  const EmbedResult first = run_embed(embedder, options);
  REQUIRE(first.pictures == 4);
  REQUIRE(first.left_out.count() == 3);
  REQUIRE(test::contains(first.left_out.describe(), "unknown suffix 3 (for example "));

  // One picture less, and a result that cannot be written to its end.
  fs::remove(folder.root / "p0" / "0.png");
  fs::create_directory(out.path() / "embeddings.npy.tmp");
  REQUIRE(test::error_of([&] { (void)run_embed(embedder, options); }) != "");
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
  VerifyOptions verify;
  verify.pairs = odd / "pairs\xFF.csv";
  verify.images = odd;
  verify.out = odd / "out\xE9";
  verify.conditions = {{"weights", "w\xE9.safetensors"}};
  REQUIRE(run_eval_verify(embedder, verify).corrupt.size() == 1);
  const auto json = read_json(verify.out / "verify.json");
  REQUIRE(from_json_text(json.at("conditions").at("pair_list").get<std::string>()) == verify.pairs.string());
  REQUIRE(from_json_text(json.at("conditions").at("weights").get<std::string>()) == "w\xE9.safetensors");
  REQUIRE(from_json_text(json.at("corrupt")[0].at("path").get<std::string>()) ==
          (odd / "p0\xE9," / "1.png").string());

  EmbedOptions embed;
  embed.images = odd;
  embed.out = folder.root / "embedded\xE9";
  REQUIRE(run_embed(embedder, embed).pictures == 17);
  REQUIRE(read_npy(embed.out / "filenames.npy").to_strings().at(0) == "p0\xE9,/0.png");
  std::ifstream csv(embed.out / "magnitudes.csv");
  std::string line;
  std::getline(csv, line);
  std::getline(csv, line);
  REQUIRE(line.starts_with("\"p0\xE9,/0.png\",\"p0\xE9,\","));

  std::ofstream(odd / "levels.csv") << "file,source,kind,level\n\"p1\xE9,/0.png\",\xE9,none,0\n"
                                    << "\"p1\xE9,/1.png\",\xE9,\xE9,1\n\"p1\xE9,/2.png\",\xE9,\xE9,2\n";
  DegradationOptions degradation;
  degradation.levels = odd / "levels.csv";
  degradation.out = verify.out;
  REQUIRE(run_eval_degradation(embedder, degradation).pictures == 3);
  const auto levels = read_json(verify.out / "degradation.json");
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
  VerifyOptions options;
  options.pairs = write_pairs(folder.root, 6, 3);
  options.images = folder.root;
  const auto error_with = [&](auto change) {
    VerifyOptions changed = options;
    changed.out = folder.root / "out";
    change(changed);
    return test::error_of([&] { (void)run_eval_verify(embedder, changed); });
  };
  std::ofstream(folder.root / "file") << "x";
  std::ofstream(folder.root / "same.list") << "p0/0.png p0/1.png 1\np0/0.png p0/2.png 1\n";
  std::ofstream(folder.root / "missing.list") << "p0/0.png p9/1.png 1\np0/0.png p1/7.png 0\n";
  REQUIRE(test::contains(error_with([&](auto& o) { o.out = folder.root / "file" / "out"; }), "--out"));
  REQUIRE(test::contains(error_with([&](auto& o) { o.pairs = folder.root / "same.list"; }), "both kinds"));
  const std::string missing = error_with([&](auto& o) { o.pairs = folder.root / "missing.list"; });
  REQUIRE(test::contains(missing, "p9/1.png"));
  REQUIRE(test::contains(missing, "p1/7.png"));
  REQUIRE(test::contains(error_with([&](auto& o) {
                           o.qmf = QmfChoice::kPreset;
                           o.preset = "no such";
                         }),
                         "no such"));
  REQUIRE(test::contains(error_with([&](auto& o) {
                           o.qmf = QmfChoice::kFit;
                           o.fit_images = folder.root;
                           o.fit_pairs = folder.root / "same.list";
                         }),
                         "both kinds"));
  REQUIRE(embedder.pictures == 0);
}
