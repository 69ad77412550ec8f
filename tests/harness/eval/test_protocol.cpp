// The table of protocols, and what every row can rely on: files, terminal and page come from the result alone.
#include "harness/eval/protocol.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "core/atomic_file.h"
#include "harness/plot/png.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

// A protocol that only this file knows: how long embeddings are, picture by picture.
class Lengths final : public Measurement {
 public:
  void add_options(OptionTable& table) override {
    table.add_number("--first", first_, 1, 100, "Pictures to look at");
  }
  void read() override {
    for (int i = 0; i < first_; ++i) files_.push_back((folder / (std::to_string(i) + ".png")).string());
  }
  Result run(FeatureSource& features) override {
    const Embeddings embeddings = features.of(files_);
    Result result;
    result.json = {{"lengths", embeddings.magnitudes},
                   {"conditions", conditions_json(features, "folder", folder)}};
    result.sheets["lengths.csv"] = magnitudes_csv(files_, embeddings);
    return result;
  }

 private:
  int first_ = 2;
  std::vector<std::string> files_;
};

const Protocol kLengths{
    "lengths",
    "Lengths of embeddings",
    "Folder of pictures",
    "lengths.json",
    "Lengths",
    "lengths",
    nullptr,
    {"lengths.csv"},
    [] { return std::unique_ptr<Measurement>(new Lengths); },
    [](const Result& result) {
      Presentation shown;
      Table table{{{"picture", 10}, {"length", 12}}, 1, {}, 1, ""};
      Figure figure;
      figure.file = "lengths.svg";
      Series& series = figure.plot.series.emplace_back();
      for (const auto& length : list_at(result.json, "lengths")) {
        series.x.push_back(static_cast<double>(series.x.size()));
        series.y.push_back(length.get<double>());
        table.rows.push_back(
            {{std::to_string(series.x.size()), number(length.get<double>(), 3)}, Where::kBoth});
      }
      table.rows.push_back({{"sheet", std::to_string(result.sheets.at("lengths.csv").size())}, Where::kBoth});
      shown.blocks.push_back(std::move(table));
      shown.blocks.push_back(std::move(figure));
      return shown;
    }};

void require_read_back(const Protocol& protocol, const Result& result, const fs::path& folder) {
  std::vector<std::string> problems;
  const auto again = read_result(folder, protocol, problems);
  REQUIRE(again.has_value());
  REQUIRE(problems.empty());
  REQUIRE(screen_text(protocol.present(*again)) == screen_text(protocol.present(result)));
  // The files that are written of what was read are the same.
  const fs::path copy = folder / "again";
  for (const fs::path& file : write_result(copy, protocol, *again, {})) {
    INFO(file.string());
    REQUIRE(read_file(file) == read_file(folder / file.filename()));
  }
}

}  // namespace

TEST_CASE("protocols: every row is complete, and names differ") {
  std::set<std::string> names, sections;
  for (const Protocol* row : protocols()) {
    names.insert(row->name);
    sections.insert(row->section);
    REQUIRE(&protocol(row->name) == row);
    for (const char* text : {row->help, row->data, row->files, row->heading}) REQUIRE(*text != '\0');
    REQUIRE(row->make() != nullptr);
    // What a damaged file holds is shown as far as it goes.
    for (const char* json :
         {"{}", "{\"cosine\":3,\"kinds\":[7,{}],\"pairs\":[]}", "{\"corrupt\":{},\"qmf\":null}"}) {
      REQUIRE(!screen_text(row->present({nlohmann::json::parse(json), {}, {}, ""})).empty());
    }
  }
  REQUIRE(names.size() == protocols().size());
  REQUIRE(sections.size() == protocols().size());
  REQUIRE(test::contains(test::error_of([] { (void)protocol("verfy"); }), "known: verify, hq, bin, "));
}

TEST_CASE("protocols: a result read back from its files is shown and written as the new one was") {
  const test::PictureFolder folder(8, 4);
  test::write_pairs(folder.root, 8, 4);
  std::ofstream(folder.root / "p3" / "1.png") << "spoilt";
  std::ofstream levels(folder.root / "levels.csv");
  levels << "file,source,kind,level\n";
  for (int i = 0; i < 4; ++i)
    levels << "p0/" << i << ".png,a," << (i == 0 ? "none" : "blur") << "," << i << "\n";
  levels.close();
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const fs::path out = folder.root / "out";
  require_read_back(
      protocol("verify"),
      test::run_protocol("verify", features, folder.root, out / "plain", {}, {{"device", "cpu"}}),
      out / "plain");
  ExtractOptions flipped;
  flipped.flip = FlipFusion::kConcat;
  NetworkFeatures mirrored(embedder, flipped);
  require_read_back(protocol("verify"),
                    test::run_protocol("verify", mirrored, folder.root, out / "qmf",
                                       {"--qmf", "preset", "--preset", "qcface/ir50"}),
                    out / "qmf");
  require_read_back(protocol("degradation"),
                    test::run_protocol("degradation", features, folder.root, out / "plain"), out / "plain");
}

TEST_CASE("protocols: a new one is a row: its options, files and table come of themselves") {
  const test::PictureFolder folder(1, 4);
  test::FormulaEmbedder embedder(6);
  NetworkFeatures features(embedder, {});
  const auto measurement = test::make_measurement(kLengths, folder.root / "p0", {"--first", "3"});
  measurement->read();
  const Result result = measure(*measurement, features);
  const auto written = write_result(folder.root / "out", kLengths, result, {{"weights", "formula"}});
  std::vector<fs::path> expected{folder.root / "out/lengths.csv", folder.root / "out/lengths.svg"};
  if (can_render_png()) expected.push_back(folder.root / "out/lengths.png");
  expected.push_back(folder.root / "out/lengths.json");
  REQUIRE(written == expected);
  const auto json = test::read_json(folder.root / "out/lengths.json");
  REQUIRE(json.at("lengths").size() == 3);
  REQUIRE(json.at("conditions").at("weights") == "formula");
  require_read_back(kLengths, result, folder.root / "out");
  const std::string text = screen_text(kLengths.present(result));
  const std::string rule(22, '-');
  REQUIRE(text.starts_with("picture         length\n" + rule + "\n1         "));
  REQUIRE(test::contains(text, rule + "\nsheet"));
}

TEST_CASE("a table on the terminal is plain ASCII, and rows for a page are left out") {
  Presentation shown;
  Table table{{{"a", 6}, {"b", 14}}, 1, {}, 0, "for a page"};
  table.rows = {{{"x", percent_std(0.9017, 0.0213)}, Where::kBoth},
                {{"page", "1"}, Where::kPage},
                {{"none", kNoFigure}, Where::kScreen}};
  shown.blocks.push_back(Note{"careful", Where::kBoth, Note::Kind::kWarning});
  shown.blocks.push_back(Note{"page", Where::kPage, Note::Kind::kText});
  shown.blocks.push_back(table);
  table.rows = {{{"page", "1"}, Where::kPage}};
  shown.blocks.push_back(table);
  REQUIRE(screen_text(shown) ==
          "WARNING: careful\n"
          "a                  b\n"
          "--------------------\n"
          "x      90.17 +- 2.13\n"
          "none               -\n"
          "--------------------\n");
}
