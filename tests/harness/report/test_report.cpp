// The page from full, partial, empty and damaged run folders. The numbers are invented (made_up_run.h).
#include "harness/report/report.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "core/text.h"
#include "harness/eval/result.h"
#include "harness/report/run_data.h"
#include "harness/report/sections.h"
#include "harness/report/thumbnail.h"
#include "tests/harness/eval/support.h"
#include "tests/harness/report/made_up_run.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::report;
namespace fs = std::filesystem;
using nlohmann::json;
using qcface::test::contains;

namespace {

std::string read_text(const fs::path& file) {
  std::ifstream stream(file);
  REQUIRE(stream.good());
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Nothing is loaded from elsewhere: no address but the SVG namespace, no script, no style sheet or picture file.
void require_self_contained(const std::string& html) {
  std::string rest = html;
  const std::string name_space = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (std::size_t at = rest.find(name_space); at != std::string::npos; at = rest.find(name_space, at)) {
    rest.erase(at, name_space.size());
  }
  for (const char* part : {"http://", "https://", "<script", "<link", "@import", "src=\"/", "src=\"."}) {
    CAPTURE(part);
    REQUIRE(!contains(rest, part));
  }
  REQUIRE(count_of(rest, "<img ") == count_of(rest, "src=\"data:image/jpeg;base64,"));
  REQUIRE(count_of(rest, "url(") == count_of(rest, "url(#"));
  REQUIRE(count_of(html, "<section") == count_of(html, "</section>"));
  REQUIRE(count_of(html, "<figure") == count_of(html, "</figure>"));
  REQUIRE(count_of(html, "<div") == count_of(html, "</div>"));
  REQUIRE(count_of(html, "<svg ") == count_of(html, "</svg>"));
}

void write_made_up_evaluation(const fs::path& run, const fs::path& pictures) {
  fs::create_directories(run / "eval");
  const json fold{{"pairs", 60}, {"threshold", 0.3}, {"accuracy", 0.9}};
  json tar = json::array();
  for (const double far : {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1}) {
    tar.push_back({{"far", far},
                   {"resolvable", far * 300 >= 1},
                   {"tar_nearest", 0.4 + far},
                   {"far_nearest", far},
                   {"tar_strict", 0.38 + far},
                   {"far_strict", far},
                   {"threshold_strict", nullptr}});
  }
  const json measures{
      {"accuracy_mean", 0.9017}, {"accuracy_std", 0.0213}, {"folds", {fold}},        {"auc", 0.962},
      {"auc_kfold", 0.951},      {"eer", 0.098},           {"best_accuracy", 0.911}, {"tar_at_far", tar}};
  std::ofstream(run / "eval" / "verify.json") << json{
      {"images", 240},
      {"pairs", {{"listed", 600}, {"used", 598}, {"same", 299}, {"different", 299}, {"excluded", 2}}},
      {"corrupt", {{{"path", "x.jpg"}, {"reason", "ends early"}}}},
      {"flip", "none"},
      {"magnitude", {{"min", 11.2}, {"mean", 21.4}, {"max", 29.9}}},
      {"cosine", measures},
      {"qmf", measures},
      {"qmf_constants", {{"alpha", 0.046}, {"beta", 0.067}, {"source", "fitted on set/train, seed 0"}}},
      {"insightface",
       {{"accuracy_mean", 0.9},
        {"accuracy_std", 0.02},
        {"val_mean", 0.5},
        {"val_std", 0.1},
        {"val_far_target", 1e-3}}},
      {"conditions",
       {{"pair_list", "set/verify/pairs.list"}, {"weights", "best.safetensors"}, {"device", "cpu"}}}};
  std::ofstream roc(run / "eval" / "roc.csv");
  roc << "score,fpr,tpr,threshold\n";
  for (const char* score : {"cosine", "qmf"}) {
    for (int i = 0; i <= 100; ++i) {
      const double fpr = i == 0 ? 0 : std::pow(10.0, -2.5 + 0.025 * i);
      roc << score << "," << fpr << ","
          << std::min(1.0, std::pow(fpr, score[0] == 'q' ? 0.10 : 0.13) + (i == 0 ? 0.35 : 0)) << ","
          << (i == 0 ? "inf" : "0.5") << "\n";
    }
  }
  std::ofstream magnitudes(run / "eval" / "magnitudes.csv");
  magnitudes << "path,identity,magnitude\n";
  RandomStream random(8, RandomPurpose::kTest);
  for (int i = 0; i < 240; ++i) {
    magnitudes << (pictures / ("p" + std::to_string(i % 6)) / (std::to_string(i % 5) + ".png")).string()
               << ",p" << i % 6 << "," << 21 + 3 * random.normal() << "\n";
  }
  json kinds = json::array();
  for (const char* kind : {"blur", "downup", "noise", "jpeg", "occlusion", "brightness"}) {
    json levels = json::array(), samples = json::array();
    for (int level = 0; level < 6; ++level) {
      const double middle = 24 - 1.8 * level;
      levels.push_back({{"level", level},
                        {"count", 8},
                        {"mean", middle},
                        {"min", middle - 3},
                        {"q1", middle - 1},
                        {"median", middle},
                        {"q3", middle + 1},
                        {"max", middle + 3}});
    }
    for (int source = 0; source < 8; ++source) {
      const double offset = 1.5 * random.normal();
      for (int level = 0; level < 6; ++level) {
        samples.push_back({{"file", (pictures / "p0" / (std::to_string(level % 5) + ".png")).string()},
                           {"source", std::to_string(source)},
                           {"level", level},
                           {"magnitude", 24 - 1.8 * level + offset + 0.4 * random.normal()}});
      }
    }
    kinds.push_back({{"kind", kind},
                     {"spearman_pooled", -0.88},
                     {"spearman_source_mean", -0.97},
                     {"spearman_source_median", nullptr},
                     {"sources", 8},
                     {"sources_undefined", 0},
                     {"levels", levels},
                     {"samples", samples}});
  }
  std::ofstream(run / "eval" / "degradation.json") << json{
      {"pictures", 288}, {"spearman_pooled_mean", -0.88}, {"spearman_source_mean", -0.97}, {"kinds", kinds}};
}

}  // namespace

TEST_CASE("report of a full run holds every part and loads nothing") {
  const test::PictureFolder pictures(6, 5);
  const test::TemporaryFolder run;
  test::write_made_up_metrics(run.path(), 240);
  test::write_made_up_config(run.path());
  write_made_up_evaluation(run.path(), pictures.root);
  fs::create_directories(run.path() / "checkpoints");
  std::ofstream(run.path() / "checkpoints" / "step_000000100.safetensors") << "x";
  ReportOptions options;
  options.run = run.path();
  options.title = "Made-up run <1> & more";
  const ReportResult result = run_report(options);
  REQUIRE(result.missing.empty());
  REQUIRE(result.damaged_lines == 0);
  REQUIRE(result.records == 240 + 12 + 1);
  REQUIRE(result.file == run.path() / "report.html");
  const std::string html = read_text(result.file);
  REQUIRE(static_cast<std::int64_t>(html.size()) == result.bytes);
  require_self_contained(html);
  REQUIRE(contains(html, "Made-up run &lt;1&gt; &amp; more"));
  REQUIRE(!contains(html, "<script>"));
  for (const char* part :
       {"90.17", "\xC2\xB1 2.13", "tar_strict", "2 of 600 pairs excluded", "undefined", "Lowest magnitude",
        "Highest magnitude", "quality-aware (AUC 96.20 %)", "Loss</text>", "Magnitudes, training",
        "data:image/jpeg;base64,", "pictures/s", "-0.970", "lr-drop-epoch"}) {
    CAPTURE(part);
    REQUIRE(contains(html, part));
  }
  // A copy to look at: QCFACE_KEEP_REPORT=FILE.
  if (const char* copy = std::getenv("QCFACE_KEEP_REPORT")) {
    fs::copy_file(result.file, copy, fs::copy_options::overwrite_existing);
  }
  const auto plots = write_plots(run.path());
  REQUIRE(plots.size() >= 8);
  for (const fs::path& plot : plots) {
    REQUIRE(plot.parent_path() == run.path() / "plots");
    REQUIRE(read_text(plot).starts_with("<?xml"));
  }
}

TEST_CASE("report of an empty run folder says what is missing and which command makes it") {
  const test::TemporaryFolder run;
  ReportOptions options;
  options.run = run.path();
  options.out = run.path() / "page.html";
  const ReportResult result = run_report(options);
  REQUIRE(result.missing.size() == 6);
  const std::string html = read_text(options.out);
  require_self_contained(html);
  for (const char* part : {"qcface train", "qcface eval verify --weights CHECKPOINT",
                           "qcface eval degradation", "no readable config.json"}) {
    CAPTURE(part);
    REQUIRE(contains(html, part));
  }
  REQUIRE(write_plots(run.path()).empty());
}

TEST_CASE("a protocol that the report has not heard of has a section of its own") {
  const eval::Protocol protocol{
      "made-up", "", "", "", "Made <up>", "made", nullptr, {}, nullptr, [](const eval::Result& result) {
        using eval::Note;
        eval::Presentation shown;
        shown.note("quality of " + eval::text_at(result.json, "what"));
        shown.note("for the terminal", eval::Where::kScreen);
        shown.note("one is missing", eval::Where::kBoth, Note::Kind::kWarning);
        shown.blocks.push_back(
            eval::Table{{{"name", 8}, {"rate", 8}, {"", 2}},
                        1,
                        {{{"<x>", "9"}, eval::Where::kBoth}, {{"no", "8"}, eval::Where::kScreen}},
                        0,
                        "in %"});
        shown.blocks.push_back(eval::Figure{{}, "one", false, ""});
        shown.blocks.push_back(eval::Figure{{}, "two", false, ""});
        shown.blocks.push_back(eval::Figure{{}, "three", true, "three.svg"});
        shown.note("Examples", eval::Where::kPage, Note::Kind::kHeading);
        shown.blocks.push_back(eval::Strip{"faces", "", {{"/nonexistent.png", "a face", "3.20", "level 1"}}});
        return shown;
      }};
  RunData run;
  std::vector<std::string> missing;
  REQUIRE(result_section(run, protocol, {}, missing).empty());  // no result, and none is suggested
  run.results.push_back(
      {&protocol,
       "",
       {{{"what", "faces"}, {"conditions", {{"list", "a&b.list"}, {"mean", 3}}}}, {}, {}, ""}});
  const std::string html = result_section(run, protocol, {}, missing);
  REQUIRE(missing.empty());
  require_self_contained(html);
  REQUIRE(contains(html, "<section id=\"made\">\n<h2>Made &lt;up&gt;</h2>"));
  REQUIRE(
      contains(html, "</h2>\n<p class=\"sub\">list <code>a&amp;b.list</code></p>\n<p>Quality of faces</p>"));
  REQUIRE(contains(html, "<td>&lt;x&gt;</td><td class=\"r\">9</td><td class=\"r\"></td>"));
  REQUIRE(contains(html, "<div class=\"warning\">One is missing.</div>"));
  REQUIRE(count_of(html, "<div class=\"figures\">") == 1);
  REQUIRE(count_of(html, "<figure") == 3);
  REQUIRE(contains(html, "</div>\n<figure class=\"wide\">"));
  REQUIRE(contains(html, "<h3>Examples</h3>"));
  REQUIRE(contains(html, "<b>3.20</b>"));
  REQUIRE(!contains(html, "terminal"));
  REQUIRE(!contains(html, "<td>no</td>"));
}

TEST_CASE("report without an evaluation keeps the training part") {
  const test::TemporaryFolder run;
  test::write_made_up_metrics(run.path(), 60);
  ReportOptions options;
  options.run = run.path();
  const ReportResult result = run_report(options);
  REQUIRE(result.missing ==
          std::vector<std::string>{"configuration", "verification", "degradation", "pictures"});
  REQUIRE(contains(read_text(result.file), "Learning rate"));
}

TEST_CASE("report skips damaged lines and survives damaged files") {
  const test::TemporaryFolder run;
  std::ofstream(run.path() / "metrics.jsonl")
      << "{\"kind\":\"step\",\"global_step\":1,\"loss\":3.0,\"z_mean\":null}\n"
      << "not json\n"
      << "[1,2]\n"
      << "{\"kind\":\"step\",\"loss\":1.0}\n"
      << "{\"kind\":\"step\",\"global_step\":2,\"loss\":null,\"accuracy\":0.5}\n"
      << "{\"kind\":\"histogram\",\"global_step\":2,\"edges\":[0,1],\"counts\":[1,2]}\n"
      << "{\"kind\":\"step\",\"global_step\":3,\"loss\":2.0,\"accuracy\":null}\n"
      << "{\"kind\":\"step\",\"global_step\":4,\"lo";
  std::ofstream(run.path() / "config.json") << "{\"arch\":";
  fs::create_directories(run.path() / "eval");
  std::ofstream(run.path() / "eval" / "verify.json") << "{\"cosine\": 3, \"pairs\": [], \"flip\": 7}";
  std::ofstream(run.path() / "eval" / "roc.csv") << "score,fpr,tpr,threshold\ncosine,nan,x,1\ncosine\n";
  std::ofstream(run.path() / "eval" / "degradation.json") << "{\"kinds\": [3, {\"kind\": 5}]}";
  std::ofstream(run.path() / "eval" / "magnitudes.csv")
      << "path,identity,magnitude\nmissing.png,a,nan\n\"b,c.png\",a,3\n";
  ReportOptions options;
  options.run = run.path();
  const ReportResult result = run_report(options);
  REQUIRE(result.records == 4);
  REQUIRE(result.damaged_lines == 4);
  const std::string html = read_text(result.file);
  require_self_contained(html);
  REQUIRE(contains(html, "4 damaged lines of metrics.jsonl"));
  REQUIRE(contains(html, "config.json is not a JSON object"));
}

TEST_CASE("report of a missing folder names it") {
  ReportOptions options;
  options.run = "/nonexistent/run";
  REQUIRE(contains(test::error_of([&] { (void)run_report(options); }), "/nonexistent/run"));
}

TEST_CASE("metric columns: steps run again replace the first try, gaps are NaN") {
  MetricTable table;
  for (const int step : {1, 2, 3, 4}) table.append({{"global_step", step}, {"a", step}});
  table.append({{"global_step", 3}, {"b", 7.0}});
  REQUIRE(table.steps == std::vector<double>{1, 2, 3});
  REQUIRE(table.column("a")[1] == 2);
  REQUIRE(std::isnan(table.column("a")[2]));
  REQUIRE(std::isnan(table.column("b")[0]));
  REQUIRE(table.column("b")[2] == 7);
  REQUIRE(!table.has("c"));
  REQUIRE(table.column("c").size() == 3);
}

TEST_CASE("base64 and CSV fields") {
  REQUIRE(base64("", 0) == "");
  REQUIRE(base64("f", 1) == "Zg==");
  REQUIRE(base64("fo", 2) == "Zm8=");
  REQUIRE(base64("foobar", 6) == "Zm9vYmFy");
  REQUIRE(eval::split_csv("a,\"b,\"\"c\"\"\",d\r") == std::vector<std::string>{"a", "b,\"c\"", "d"});
  REQUIRE(thumbnail_uri("/nonexistent.png", 40).empty());
}

TEST_CASE("names of any bytes give a page of valid UTF-8", "[report]") {
  const test::TemporaryFolder run;
  const std::string name = "caf\xE9<b>\x1b";
  test::write_made_up_metrics(run.path(), 60);
  std::ofstream(run.path() / "config.json") << json{{"data_dirs", to_json_text(name)}};
  std::ofstream(run.path() / "log.txt") << "run folder " << name << "\n";
  fs::create_directories(run.path() / "eval");
  std::ofstream(run.path() / "eval/verify.json")
      << json{{"conditions", {{"pair_list", to_json_text(name)}, {"set", to_json_text(name)}}}};
  std::ofstream(run.path() / "eval/magnitudes.csv") << "path,identity,magnitude\n"
                                                    << name << "/1.jpg," << name << ",3\n";
  ReportOptions options;
  options.run = run.path();
  options.title = name;
  std::string html = read_text(run_report(options).file);
  REQUIRE(count_of(html, "caf\\xe9&lt;b&gt;") >= 6);
  REQUIRE(!contains(html, "\x1b"));
  for (std::string_view rest = html; !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    REQUIRE(length > 0);
    rest.remove_prefix(length);
  }
}

TEST_CASE("a place that cannot hold the page is refused before the run is read", "[report]") {
  const test::TemporaryFolder run;
  std::ofstream(run.path() / "file") << "x";
  ReportOptions options;
  options.run = run.path();
  options.out = run.path();
  REQUIRE(
      contains(test::error_of([&] { (void)run_report(options); }), "is a folder, expected a regular file"));
  options.out = run.path() / "file/report.html";
  REQUIRE(contains(test::error_of([&] { (void)run_report(options); }), "Not a directory"));
}

TEST_CASE("pipes and JSON that nests deep in a run folder are left out of the page", "[report]") {
  const test::TemporaryFolder run;
  for (const char* name : {"metrics.jsonl", "log.txt", "config.json"})
    REQUIRE(::mkfifo((run.path() / name).c_str(), 0600) == 0);
  fs::create_directories(run.path() / "eval");
  std::ofstream(run.path() / "eval/degradation.json") << "{\"kinds\": " << std::string(100000, '[');
  ReportOptions options;
  options.run = run.path();
  const std::string html = read_text(run_report(options).file);
  REQUIRE(contains(html, "is a named pipe"));
  REQUIRE(contains(html, "degradation.json is not a JSON object"));
}
