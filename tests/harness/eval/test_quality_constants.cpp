// Where the constants of the quality-aware score come from.
#include "harness/eval/protocols/quality_constants.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>

#include "tests/harness/eval/support.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::eval;

namespace {

QualityConstants constants_of(std::vector<std::string> arguments, const std::string& named = "",
                              bool fit = false) {
  CLI::App app;
  OptionTable table(app);
  QualityConstants constants;
  constants.add_options(table, fit);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  constants.settle(table, named);
  // The options point into the object: what is known is taken out of it here.
  return constants;
}

}  // namespace

TEST_CASE("constants are given, of a preset, of the published flags, or of another result") {
  REQUIRE_FALSE(constants_of({}).fixed());
  const auto given = constants_of({"--qmf", "given", "--alpha", "0.5", "--beta", "0.25"}).fixed();
  REQUIRE((given->alpha == 0.5 && given->beta == 0.25 && given->source == "given"));
  const auto preset = constants_of({"--qmf", "preset", "--preset", "qcface/ir50"}).fixed();
  REQUIRE(preset->alpha == 0.05298834571695404);
  REQUIRE(constants_of({}, "qcface/ir18").fixed()->beta == 0.02969502085476521);
  REQUIRE(constants_of({}, "adaface/ir50").fixed()->beta == 0);
  REQUIRE_FALSE(constants_of({}, "arcface/ir50").fixed());
  REQUIRE_FALSE(constants_of({"--qmf", "off"}, "qcface/ir18").fixed());

  const test::TemporaryFolder folder;
  const std::string file = folder / "verify.json";
  std::ofstream(file) << R"({"qmf_constants": {"alpha": 0.125, "beta": 2, "source": "fitted on a"}})";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--qmf-from", file}, {"--qmf", "file", "--qmf-from", file}}) {
    const auto kept = constants_of(arguments).fixed();
    REQUIRE((kept->alpha == 0.125 && kept->beta == 2));
    REQUIRE(kept->source == "fitted on a, from " + file);
  }
  REQUIRE(constants_of({"--qmf", "fit"}, "", true).from() == QualityConstants::From::kFit);
}

TEST_CASE("constants that contradict each other or are missing are refused") {
  const auto error_of = [](const std::vector<std::string>& arguments) {
    return test::error_of([&] { (void)constants_of(arguments).fixed(); });
  };
  REQUIRE(test::contains(error_of({"--qmf", "given", "--alpha", "1"}), "needs --alpha and --beta"));
  REQUIRE(test::contains(error_of({"--qmf", "preset"}), "needs --preset"));
  REQUIRE(test::contains(error_of({"--qmf", "file"}), "needs --qmf-from"));
  REQUIRE(test::contains(error_of({"--alpha", "1"}), "--alpha and --qmf off contradict"));
  REQUIRE(test::contains(error_of({"--qmf", "preset", "--preset", "qcface/ir50", "--qmf-from", "x"}),
                         "--qmf-from and --qmf preset contradict"));
  REQUIRE(test::contains(error_of({"--qmf", "preset", "--preset", "none"}), "no preset 'none'"));
  const test::TemporaryFolder folder;
  const std::string file = folder / "verify.json";
  REQUIRE(test::contains(error_of({"--qmf-from", file}), file));
  std::ofstream(file) << "{]";
  REQUIRE(test::contains(error_of({"--qmf-from", file}), "no JSON object"));
  std::ofstream(file) << R"({"qmf_constants": {"alpha": "x"}})";
  REQUIRE(test::contains(error_of({"--qmf-from", file}), "no qmf_constants with alpha and beta"));
}
