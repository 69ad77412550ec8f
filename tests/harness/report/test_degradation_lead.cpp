// What a report opens with where the run measured magnitude against degradation. The numbers are invented.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "harness/report/report.h"
#include "tests/harness/eval/support.h"
#include "tests/harness/report/made_up_run.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
namespace fs = std::filesystem;
using nlohmann::json;
using qcface::test::contains;

namespace {

// Of a source: magnitudes at levels 0, 1, ...; the pictures are of a PictureFolder of five a folder.
json samples_of(const std::string& source, const std::vector<double>& magnitudes, const fs::path& pictures) {
  json samples = json::array();
  for (std::size_t level = 0; level < magnitudes.size(); ++level) {
    samples.push_back({{"file", (pictures / (std::to_string(level % 5) + ".png")).string()},
                       {"source", source},
                       {"level", level},
                       {"magnitude", magnitudes[level]}});
  }
  return samples;
}

json kind_of(const std::string& name, json samples) {
  json levels = json::array();
  for (int level = 0; level < 4; ++level)
    levels.push_back({{"level", level}, {"q1", 20 - level}, {"median", 21 - level}, {"q3", 22 - level}});
  return {
      {"kind", name}, {"spearman_source_mean", -0.75}, {"levels", levels}, {"samples", std::move(samples)}};
}

// Three sources: in order, with one pair exchanged, and the wrong way round. 6 + 5 + 0 of 18 pairs are in order.
json three_sources(const fs::path& pictures) {
  json samples = samples_of("tidy", {24.25, 23, 22, 21}, pictures);
  for (const auto& [source, magnitudes] :
       {std::pair<std::string, std::vector<double>>{"typical", {19.5, 18.25, 16, 17.125}},
        {"odd", {11, 12, 13, 14}}}) {
    const json more = samples_of(source, magnitudes, pictures);
    samples.insert(samples.end(), more.begin(), more.end());
  }
  return samples;
}

std::string page_of(const fs::path& run, const json& kinds) {
  if (!kinds.empty()) {
    fs::create_directories(run / "eval");
    std::ofstream(run / "eval/degradation.json") << json{{"pictures", 12},
                                                         {"spearman_source_mean", -0.75},
                                                         {"kinds", kinds},
                                                         {"conditions", {{"arch", "mini"}}}};
  }
  report::ReportOptions options;
  options.run = run;
  std::ifstream file(report::run_report(options).file);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t place_of(const std::string& html, const std::string& part) {
  const std::size_t at = html.find(part);
  CAPTURE(part);
  REQUIRE(at != std::string::npos);
  REQUIRE(html.find(part, at + 1) == std::string::npos);  // once
  return at;
}

}  // namespace

TEST_CASE("a report opens with magnitude against degradation where the run has it") {
  const test::PictureFolder pictures(1, 5);
  const test::TemporaryFolder run;
  test::write_made_up_metrics(run.path(), 60);
  const std::string html =
      page_of(run.path(), json::array({kind_of("blur", three_sources(pictures.root / "p0"))}));
  const std::size_t lead = place_of(html, "<section id=\"degradation\">");
  REQUIRE(lead < place_of(html, "<div class=\"tiles\">"));
  REQUIRE(lead < place_of(html, "<section id=\"run\">"));
  REQUIRE(contains(html, "<nav><a href=\"#degradation\">Degradation</a><a href=\"#run\">"));
  const std::size_t headline = place_of(
      html, "<p class=\"headline\">Magnitude falls as pictures get worse: mean Spearman correlation -0.750 ");
  REQUIRE(contains(html, "smaller magnitude in 61 % of all pairs"));
  REQUIRE(headline < place_of(html, "<div class=\"figures small\">"));
  REQUIRE(place_of(html, "blur: Spearman -0.750</text>") < place_of(html, "<div class=\"strips\">"));
  REQUIRE(place_of(html, "<div class=\"strips\">") < place_of(html, "arch <code>mini</code>"));

  // The face in the middle, every value as measured, every picture in the page.
  REQUIRE(
      contains(html,
               "Source typical is shown because its correlation, -0.800 (mean over kinds), is the median of "
               "the 3 sources"));
  const std::string strips = html.substr(html.find("<div class=\"strips\">"),
                                         html.find("Source typical") - html.find("<div class=\"strips\">"));
  std::size_t at = 0;
  for (const char* part : {"width:100.0%\"></i></div><b>19.50</b><div class=\"name\">clean<",
                           "width:93.6%\"></i></div><b>18.25</b><div class=\"name\">1<",
                           "width:82.1%\"></i></div><b>16.00</b><div class=\"name\">2<",
                           "width:87.8%\"></i></div><b>17.12</b><div class=\"name\">3<"}) {
    CAPTURE(part, strips);
    const std::size_t picture = strips.find("src=\"data:image/jpeg;base64,", at);
    at = strips.find(part, at);
    REQUIRE(picture < at);
    REQUIRE(at != std::string::npos);
  }
  REQUIRE(strips.find("data:image", at) == std::string::npos);
}

TEST_CASE("pictures of the lead that are gone are said, and foreign names stay text") {
  const test::TemporaryFolder run;
  const std::string evil = "<script>alert(1)</script>&\"'";
  json samples = samples_of(evil, {9, 8, 7, 6}, run.path() / "gone");
  samples[1]["file"] = evil;
  const std::string html = page_of(run.path(), {kind_of(evil, samples), kind_of("empty", json::array()), 3});
  REQUIRE(!contains(html, "<script"));
  REQUIRE(contains(html, "4 of 4 pictures are gone or cannot be read, the first of them <code>" +
                             (run.path() / "gone/0.png").string() + "</code>"));
  for (const char* value : {"<b>9.00</b>", "<b>8.00</b>", "<b>7.00</b>", "<b>6.00</b>"})
    REQUIRE(contains(html, value));
}

TEST_CASE("many levels of a face: some of them, the first and the last among them") {
  const test::TemporaryFolder run;
  std::vector<double> magnitudes;
  for (int level = 0; level < 40; ++level) magnitudes.push_back(100 - level);
  const std::string html =
      page_of(run.path(), json::array({kind_of("fade", samples_of("a", magnitudes, "gone"))}));
  REQUIRE(contains(html, "8 of 8 pictures are gone"));
  REQUIRE(contains(html, "<b>100.00</b><div class=\"name\">clean<"));
  REQUIRE(contains(html, "<b>61.00</b><div class=\"name\">39<"));
}

TEST_CASE("magnitudes that do not vary have no correlation, and the page says so") {
  const test::TemporaryFolder run;
  json kind = kind_of("blur", samples_of("a", {5, 5, 5, 5}, "gone"));
  kind["spearman_source_mean"] = nullptr;
  fs::create_directories(run / "eval");
  std::ofstream(run / "eval/degradation.json") << json{{"pictures", 4}, {"kinds", json::array({kind})}};
  const std::string html = page_of(run.path(), json::array());
  REQUIRE(contains(html, "it does not vary: mean Spearman correlation undefined"));
  REQUIRE(contains(html, "smaller magnitude in 50 % of all pairs"));
  REQUIRE(contains(html, "no source has a correlation"));
}

TEST_CASE("a report of a run without degradations opens with its key figures") {
  const test::TemporaryFolder run;
  test::write_made_up_metrics(run.path(), 60);
  const std::string html = page_of(run.path(), json::array());
  REQUIRE(contains(html, "<nav><a href=\"#run\">"));
  REQUIRE(contains(html, "</header>\n<div class=\"tiles\">"));
  REQUIRE(place_of(html, "<section id=\"degradation\">") > place_of(html, "<section id=\"verification\">"));
  REQUIRE(!contains(html, "<p class=\"headline\">"));
}
