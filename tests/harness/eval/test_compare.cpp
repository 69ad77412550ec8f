// Results of several models side by side.
#include "harness/eval/compare/compare.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/atomic_file.h"
#include "harness/eval/features/features.h"
#include "harness/eval/result.h"
#include "harness/plot/png.h"
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

void run(const char* name, const test::MadeFeatures& made, const fs::path& out,
         const std::vector<std::string>& arguments = {}) {
  FileFeatures features(made.folder / "features.npy", made.folder / "names.txt", std::nullopt);
  const Protocol& protocol = eval::protocol(name);
  const auto measurement = test::make_measurement(protocol, made.folder.path(), arguments);
  measurement->names = &features.names();
  measurement->read();
  write_result(out, protocol, measure(*measurement, features), {{"weights", out.filename().string()}});
}

std::string shown(const std::vector<Comparison>& comparisons, const std::vector<ModelResults>& models) {
  std::string text;
  for (const Comparison& comparison : comparisons)
    text += title_of(comparison) + "\n" + screen_text(present_comparison(comparison, models));
  return text;
}

}  // namespace

TEST_CASE("compare: two models on the same pairs, with intervals, files and one figure of both") {
  const test::MadeFeatures made(40, 6, 1), other(40, 6, 2);  // the same names and pairs
  const test::TemporaryFolder out;
  run("verify", made, out / "one");
  run("verify", other, out / "two");
  run("quality", made, out / "one", {"--fmr", "0.1"});
  const std::vector<ModelResults> models{read_model("one", out / "one"), read_model("two", out / "two")};
  const BootstrapOptions bootstrap{200, 1, 1, {}};
  const auto comparisons = compare(models, bootstrap);
  REQUIRE(comparisons.size() == 2);
  const Comparison& verify = comparisons[0];
  REQUIRE(std::string(verify.protocol->name) == "verify");
  REQUIRE(verify.notes.empty());
  REQUIRE(verify.fingerprints[0] == verify.fingerprints[1]);
  REQUIRE(!verify.fingerprints[0].empty());

  // Every figure of the two results, as they show them.
  const auto one = read_json(out / "one/verify.json"), two = read_json(out / "two/verify.json");
  const auto row = std::find_if(verify.rows.begin(), verify.rows.end(),
                                [](const auto& r) { return r.measure == "AUC %"; });
  REQUIRE(row != verify.rows.end());
  REQUIRE(row->cells ==
          std::vector<std::string>{percent(one.at("cosine").at("auc")), percent(two.at("cosine").at("auc"))});

  REQUIRE(verify.differences.size() == 4);  // AUC, TAR at 0.01 and 0.1, accuracy
  REQUIRE(verify.differences[0].measure == "AUC");
  REQUIRE(std::fabs(verify.differences[0].difference.first - one.at("cosine").at("auc").get<double>()) <=
          1e-12);
  REQUIRE(verify.differences[0].difference.p.has_value());
  REQUIRE(verify.differences[3].measure == "accuracy, 10-fold");
  REQUIRE(std::fabs(verify.differences[3].difference.second -
                    two.at("cosine").at("accuracy_mean").get<double>()) <= 1e-12);
  // The other model has no result of `quality`: its column is empty, and the scores beside it are not that protocol's.
  REQUIRE(comparisons[1].of_model[1] == nullptr);
  REQUIRE(comparisons[1].differences.empty());

  const auto written = write_comparison(out / "compared", models, comparisons, bootstrap, "<html></html>");
  REQUIRE(written.back() == out / "compared/compare.json");
  const auto json = read_json(out / "compared/compare.json");
  REQUIRE(json.at("format") == "qcface-compare/1");
  REQUIRE(json.at("comparisons")[0].at("conditions")[1].at("weights") == "two");
  REQUIRE(json.at("comparisons")[0].at("conditions")[0].at("model") !=
          json.at("comparisons")[0].at("conditions")[1].at("model"));
  REQUIRE(json.at("comparisons")[0].at("numbers").at("cosine.auc")[1] == two.at("cosine").at("auc"));
  REQUIRE(json.at("comparisons")[0].at("differences").size() == 4);
  REQUIRE(contains(read_file(out / "compared/compare.csv"), "protocol,set,measure,one,two\nverify,,"));
  REQUIRE(contains(read_file(out / "compared/differences.csv"), "verify,,AUC,one,two,"));
  const std::string figure = read_file(out / "compared/verify_roc.svg");
  REQUIRE(contains(figure, "one: cosine"));
  REQUIRE(contains(figure, "two: cosine"));
  REQUIRE(fs::exists(out / "compared/verify_roc.png") == can_render_png());
  REQUIRE(contains(shown(comparisons, models), "one - two"));
}

TEST_CASE("compare: other data is never passed over in silence") {
  const test::MadeFeatures made(40, 6, 1), other(30, 6, 2);
  const test::TemporaryFolder out;
  run("verify", made, out / "one");
  run("verify", other, out / "two");
  std::vector<ModelResults> models{read_model("one", out / "one"), read_model("two", out / "two")};
  const BootstrapOptions bootstrap{100, 1, 1, {}};
  auto comparisons = compare(models, bootstrap);
  REQUIRE(comparisons[0].differences.empty());
  REQUIRE(contains(shown(comparisons, models), "WARNING: NOT THE SAME DATA: "));

  // A result of an earlier version says nothing of its data; the labels alone tell that the pairs differ.
  models[1].results[0].result.json.erase("data");
  comparisons = compare(models, bootstrap);
  REQUIRE(comparisons[0].differences.empty());
  REQUIRE(contains(shown(comparisons, models), "the result of two has no fingerprint of its data"));
  REQUIRE(contains(shown(comparisons, models),
                   "no interval for one and two: their scores are those of different pairs"));

  // Damaged scores cost the interval, nothing else.
  std::ofstream(out / "two" / "scores.npy") << "damaged";
  comparisons = compare(models, bootstrap);
  REQUIRE(contains(shown(comparisons, models), "no interval: "));
  REQUIRE(!comparisons[0].rows.empty());
}

TEST_CASE("compare: folders of runs, their sets, and what their models are called") {
  const test::MadeFeatures made(20, 4, 1);
  const test::TemporaryFolder out;
  run("verify", made, out / "run" / "eval");
  run("verify", made, out / "run" / "eval" / "lfw");
  run("verify", made, out / "plain");
  const std::vector<ModelResults> models{read_model("run", out / "run"), read_model("plain", out / "plain")};
  REQUIRE(models[0].results.size() == 2);
  REQUIRE(models[0].results[1].set == "lfw");
  const auto comparisons = compare(models, {100, 1, 1, {}});
  REQUIRE(comparisons.size() == 2);
  REQUIRE(title_of(comparisons[1]) == "verify, lfw");
  REQUIRE(comparisons[0].differences.size() >= 2);
  REQUIRE(comparisons[0].differences[0].difference.p.value() == 1);

  const fs::path folders[] = {out / "run" / "eval", out / "plain" / "", out / "deeper" / "plain"};
  const auto names = names_of_folders(folders);
  REQUIRE(names[0] == "run");
  REQUIRE(names[1] == (out / "plain").string());
  REQUIRE(names[2] == (out / "deeper" / "plain").string());
  REQUIRE(contains(error_of([&] { (void)read_model("x", out / "missing"); }), "no folder"));
  fs::create_directory(out / "empty");
  REQUIRE(contains(error_of([&] { (void)read_model("x", out / "empty"); }), "no result of a protocol"));
  std::ofstream(out / "empty" / "verify.json") << "[";
  REQUIRE(contains(error_of([&] { (void)read_model("x", out / "empty"); }), "is not a JSON object"));
}
