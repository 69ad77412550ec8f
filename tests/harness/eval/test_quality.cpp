// `eval quality`: files, tables and faults on made-up embeddings; error-versus-reject on real ones.
#include "harness/eval/protocols/quality.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "core/atomic_file.h"
#include "harness/data/lists/pairs.h"
#include "harness/eval/features/features.h"
#include "harness/eval/measures/scores.h"
#include "harness/eval/measures/spearman.h"
#include "harness/eval/protocols/quality_list.h"
#include "harness/eval/protocols/verify.h"
#include "harness/plot/png.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/made_features.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
using qcface::test::contains;
using qcface::test::error_of;
using qcface::test::read_json;
namespace fs = std::filesystem;

namespace {

Result run_quality(const test::MadeFeatures& made, const fs::path& out, std::vector<std::string> arguments) {
  FileFeatures features(made.folder / "features.npy", made.folder / "names.txt", std::nullopt);
  const Protocol& protocol = eval::protocol("quality");
  const auto measurement = test::make_measurement(protocol, made.folder.path(), std::move(arguments));
  measurement->names = &features.names();
  measurement->read();
  Result result = measure(*measurement, features);
  write_result(out, protocol, result, {});
  return result;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::istringstream text(read_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("eval quality: every curve, table and figure is a file, and is read back as it was") {
  const test::MadeFeatures made(40, 6, 1);
  const fs::path out = made.folder / "out";
  const std::string first = (made.folder / "first.txt").string(),
                    second = (made.folder / "second.txt").string();
  const Result result =
      run_quality(made, out,
                  {"--variant", "all", "--fmr", "0.1", "0.01", "0.0001", "--quality",
                   (made.folder / "quality.csv").string(), "--sets", "early=" + first + "," + second});
  const auto json = read_json(out / "quality.json");
  REQUIRE(json.at("format") == "qcface-quality/1");
  REQUIRE(json.at("pairs").at("same") == 200);
  REQUIRE(json.at("pairs").at("different") == 200);
  REQUIRE(json.at("fmr_refused") == nlohmann::json({1e-4}));
  REQUIRE(json.at("curves").size() == 2 * 4 * 2);  // qualities, variants, FMRs
  REQUIRE(json.at("correlation").size() == 2);
  REQUIRE(json.at("sets").size() == 3);
  REQUIRE(json.at("sets")[1].at("name") == "early");
  REQUIRE(json.at("sets")[2].at("name") == "second");
  REQUIRE(json.at("sets")[1].at("count") == 120);
  REQUIRE(json.at("data").contains("fingerprint"));
  // Good pictures are longer and nearer to their person: the magnitude is a quality.
  REQUIRE(json.at("correlation")[0].at("spearman").get<double>() > 0.5);
  REQUIRE(json.at("curves")[0].at("variant") == "fixed");
  REQUIRE(json.at("curves")[0].at("partial")[0].at("normalised").get<double>() < 0.8);
  REQUIRE(result.figures.at("erc_fixed_1e-1_normalised") ==
          json.at("curves")[0].at("partial")[0].at("normalised"));

  REQUIRE(lines_of(out / "erc.csv").size() == 1 + 16 * kRejectSteps);
  REQUIRE(lines_of(out / "erc.csv")[0] == "quality,variant,fmr,reject,fnmr,threshold,random,lower_bound");
  REQUIRE(lines_of(out / "erc.csv")[1].starts_with("magnitude,fixed,0.1,0,"));
  REQUIRE(lines_of(out / "magnitude_histogram.csv").size() == 1 + 3 * 50);
  REQUIRE(lines_of(out / "quality_scores.csv").size() == 1 + 2 * 200);
  REQUIRE(lines_of(out / "magnitudes.csv").size() == 1 + 240);
  for (const char* variant : {"fixed", "refit", "magface", "nearest"}) {
    for (const char* fmr : {"1e-1", "1e-2"}) {
      const std::string file = std::string("erc_") + variant + "_fmr_" + fmr;
      CAPTURE(file);
      REQUIRE(contains(read_file(out / (file + ".svg")), "lower bound"));
      if (can_render_png()) REQUIRE(read_file(out / (file + ".png")).starts_with("\x89PNG"));
    }
  }
  REQUIRE(contains(read_file(out / "magnitude_histogram.svg"), "early"));
  REQUIRE(fs::exists(out / "quality_score_magnitude.svg"));
  REQUIRE(fs::exists(out / "quality_score_1_quality.svg"));

  const std::string text = screen_text(protocol("quality").present(result));
  for (const char* part : {"no curve at FMR 1e-4: below 1/200", "magface", "Kendall", "early"}) {
    CAPTURE(part);
    REQUIRE(contains(text, part));
  }
  std::vector<std::string> problems;
  const auto again = read_result(out, protocol("quality"), problems);
  REQUIRE(again.has_value());
  REQUIRE(screen_text(protocol("quality").present(*again)) == text);
}

TEST_CASE(
    "eval quality: degraded pictures under --data are measured too, pictures that cannot be read are "
    "counted") {
  const test::PictureFolder folder(8, 4);
  test::write_pairs(folder.root, 8, 4);
  std::ofstream(folder.root / "p3" / "1.png") << "spoilt";
  std::ofstream levels(folder.root / "levels.csv");
  levels << "file,source,kind,level\n";
  for (int i = 0; i < 4; ++i)
    levels << "p0/" << i << ".png,a," << (i == 0 ? "none" : "a/b") << "," << i << "\n";
  for (int i = 1; i < 4; ++i) levels << "p1/" << i << ".png,a,a_b," << i << "\n";
  levels.close();
  test::FormulaEmbedder embedder(12);
  NetworkFeatures features(embedder, {});
  const Result result =
      test::run_protocol("quality", features, folder.root, folder.root / "out",
                         {"--fmr", "0.2", "--sets", "all=" + (folder.root / "p0").string()});
  const auto json = read_json(folder.root / "out/quality.json");
  REQUIRE(json.at("pairs").at("excluded") == 4);
  REQUIRE(json.at("sets")[0].at("count") == 31);
  REQUIRE(json.at("sets")[0].at("unreadable") == 1);
  REQUIRE(json.at("sets")[1].at("count") == 4);
  REQUIRE(json.at("degradation").at("kinds").size() == 2);
  REQUIRE(json.at("degradation").at("kinds")[0].contains("kendall_pooled"));
  REQUIRE(lines_of(folder.root / "out/degradation.csv").size() == 1 + 4 + 4);
  // Two kinds that would share a file name do not.
  REQUIRE(fs::exists(folder.root / "out/degradation_a_b.svg"));
  REQUIRE(fs::exists(folder.root / "out/degradation_a_b_2.svg"));
  REQUIRE(contains(screen_text(protocol("quality").present(result)), "4 of 48 pairs excluded"));
}

TEST_CASE("eval quality: faults of its lists are found before a picture is embedded") {
  const test::MadeFeatures made(6, 4, 2);
  const fs::path out = made.folder / "out";
  const auto file = [&](const char* name, const std::string& text) {
    std::ofstream(made.folder / name) << text;
    return (made.folder / name).string();
  };
  const auto error = [&](std::vector<std::string> arguments) {
    return error_of([&] { (void)run_quality(made, out, std::move(arguments)); });
  };
  REQUIRE(contains(error({"--quality", file("a.csv", "name,value\np0/0.jpg,high\n")}),
                   "a.csv: line 2: the quality 'high'"));
  REQUIRE(contains(error({"--quality", file("b.csv", "p0/0.jpg\n")}), "b.csv: line 1: expected name,value"));
  REQUIRE(contains(error({"--quality", file("c.csv", "p0/0.jpg,1\np0/1.jpg,2\n")}),
                   "c.csv: no quality for 22 of 24 pictures"));
  REQUIRE(
      contains(error({"--quality", file("d.csv", "p0/0.jpg,1\np0/0.jpg,2\n")}), "name 2 is name 1 again"));
  REQUIRE(contains(error({"--quality", file("e.csv", "p0/0.jpg,nan\np0/1.jpg,inf\n")}),
                   "line 2: the quality 'inf'"));
  REQUIRE(contains(error({"--sets", file("f.txt", "p0/0.jpg\np9/0.jpg\n")}),
                   "f.txt: line 2: there is no picture"));
  REQUIRE(contains(error({"--sets", "p7"}), "no name with the folder p7/"));
  REQUIRE(contains(error({"--sets", "p1,p1"}), "two sets are called p1"));
  REQUIRE(contains(error({"--variant", "magface", "--fmr", "0.02"}), "powers of ten"));
  REQUIRE(contains(error({"--levels", made.folder.path().string()}), "levels.csv"));
  REQUIRE(!fs::exists(out));
  // A folder of the names is a set.
  REQUIRE(error({"--fmr", "0.1", "--sets", "p1"}).empty());
  REQUIRE(read_json(out / "quality.json").at("sets")[1].at("count") == 4);
}

TEST_CASE("eval quality on real embeddings: LFW's curves are those of a direct computation") {
  const fs::path features_folder = test::real_data("features"), lists = test::real_data("lists");
  if (features_folder.empty() || lists.empty())
    QCFACE_SKIP("QCFACE_REAL_DATA names no folder with features and lists: embeddings of LFW and its pairs");
  FileFeatures features(features_folder / "lfw_y1.npy", features_folder / "lfw_y1_names.txt",
                        FlipFusion::kVectorAdd);
  const data::PairList pairs = data::read_pairs(lists / "lfw_pairs.txt", "lfw", {&features.names(), false});
  REQUIRE(pairs.size() == 6000);
  const Embeddings embeddings = features.of(pairs.images);
  QualityOptions options;
  options.fmrs = {1e-2, 1e-3, 1e-4};
  const QualityResult result = evaluate_quality(pairs, embeddings, {}, options);
  REQUIRE(result.same == 3000);
  REQUIRE(result.fmr_refused == std::vector<double>{1e-4});
  REQUIRE(result.findings.size() == 1);
  REQUIRE(result.findings[0].curves.size() == 2);

  // Beside it: norms and cosines anew from the rows, counts by plain loops.
  std::vector<double> impostors;
  std::vector<std::pair<double, double>> genuine;  // quality, score
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto a = embeddings.row(pairs.pairs[i].first), b = embeddings.row(pairs.pairs[i].second);
    double aa = 0, bb = 0, ab = 0;
    for (std::size_t d = 0; d < a.size(); ++d) {
      aa += static_cast<double>(a[d]) * a[d];
      bb += static_cast<double>(b[d]) * b[d];
      ab += static_cast<double>(a[d]) * b[d];
    }
    const double score = ab / (std::sqrt(aa) * std::sqrt(bb));
    if (pairs.same[i]) {
      genuine.emplace_back(std::sqrt(std::min(aa, bb)), score);
    } else {
      impostors.push_back(score);
    }
  }
  std::sort(impostors.begin(), impostors.end(), std::greater<>());
  std::stable_sort(genuine.begin(), genuine.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const ErrorReject& curve : result.findings[0].curves) {
    CAPTURE(curve.fmr);
    const double t = impostors[static_cast<std::size_t>(curve.fmr * 3000 + 1e-9)];
    REQUIRE(std::fabs(curve.threshold - t) <= 1e-12);
    const auto fnmr_after = [&](std::size_t m) {
      double missed = 0;
      for (std::size_t i = m; i < genuine.size(); ++i) missed += genuine[i].second <= t ? 1 : 0;
      return missed / static_cast<double>(genuine.size() - m);
    };
    for (int step = 0; step < kRejectSteps; ++step) {
      CAPTURE(step);
      REQUIRE(curve.fnmr[static_cast<std::size_t>(step)] == fnmr_after(static_cast<std::size_t>(150 * step)));
    }
    double area = 0;
    for (std::size_t m = 0; m < 600; ++m) area += fnmr_after(m) / 3000;
    REQUIRE(std::fabs(curve.partial[0].area - area) <= 1e-12);
    REQUIRE(curve.fnmr_at_zero > 0);
    REQUIRE(std::fabs(curve.partial[0].normalised.value() - area / (0.2 * curve.fnmr_at_zero)) <= 1e-12);
    REQUIRE(curve.partial[0].normalised.value() < 0.7);  // this network's length is a quality
  }
  REQUIRE(result.findings[0].curves[1].fnmr_at_zero ==
          46.0 / 3000);  // 1 - 0.98467, the known TAR at FAR 1e-3
}
