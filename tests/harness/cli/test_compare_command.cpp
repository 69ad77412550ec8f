// `eval quality` and `compare` as a shell starts them, on embeddings of another program.
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/harness/eval/made_features.h"
#include "tests/support/catch.h"

using namespace qcface;
using qcface::test::ProcessResult;
using qcface::test::run_qcface;
namespace fs = std::filesystem;

namespace {

ProcessResult evaluate(const test::MadeFeatures& made, const char* protocol, const fs::path& out,
                       const std::vector<std::string>& more = {}) {
  const std::string folder = made.folder.path().string();
  std::vector<std::string> arguments{
      "eval", protocol, "--features", folder + "/features.npy", "--names", folder + "/names.txt", "--data",
      folder, "--out",  out.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_qcface(arguments);
}

}  // namespace

TEST_CASE("eval quality and compare, end to end") {
  const test::MadeFeatures made(40, 6, 1), other(40, 6, 2);
  const test::TemporaryFolder out;
  for (const auto& [set, name] : {std::pair{&made, "one"}, std::pair{&other, "two"}}) {
    const ProcessResult verify = evaluate(*set, "verify", out / name);
    INFO(verify.output);
    REQUIRE(verify.ok());
    REQUIRE(verify.says("95 % interval (DeLong)"));
    const ProcessResult quality = evaluate(*set, "quality", out / name, {"--variant", "all"});
    INFO(quality.output);
    REQUIRE(quality.ok());
    REQUIRE(quality.says("no curve at FMR 1e-3, 1e-4: below 1/200"));
    REQUIRE(fs::exists(out / name / "erc_refit_fmr_1e-2.svg"));
  }
  const ProcessResult compared =
      run_qcface({"compare", (out / "one").string(), (out / "two").string(), "--names", "first,second",
                  "--bootstrap", "200", "--out", (out / "compared").string()});
  INFO(compared.output);
  REQUIRE(compared.ok());
  REQUIRE(compared.says("first - second"));
  REQUIRE(compared.says("normalised to 0.2"));
  REQUIRE(!compared.says("NOT THE SAME DATA"));
  const std::string page = read_file(out / "compared" / "compare.html");
  for (const char* part : {"<td>data fingerprint</td>", "<td>model</td>", "first: cosine",
                           "second: magnitude", "bootstrap by pair", "(DeLong)", "</html>"}) {
    CAPTURE(part);
    REQUIRE(page.find(part) != std::string::npos);
  }
  for (const char* file :
       {"compare.json", "compare.csv", "differences.csv", "verify_roc.svg", "quality_erc_fixed_fmr_1e-2.svg"})
    REQUIRE(fs::exists(out / "compared" / file));

  // The same seed, the same files.
  REQUIRE(run_qcface({"compare", (out / "one").string(), (out / "two").string(), "--names", "first,second",
                      "--bootstrap", "200", "--threads", "1", "--out", (out / "again").string()})
              .ok());
  REQUIRE(read_file(out / "again" / "differences.csv") == read_file(out / "compared" / "differences.csv"));

  const ProcessResult one = run_qcface({"compare", (out / "one").string(), "--out", (out / "x").string()});
  REQUIRE(!one.ok());
  REQUIRE(one.says("one result folder is nothing to compare"));
  const ProcessResult names = run_qcface({"compare", (out / "one").string(), (out / "two").string(),
                                          "--names", "a", "--out", (out / "x").string()});
  REQUIRE(!names.ok());
  REQUIRE(names.says("--names holds 1 names for 2 result folders"));
  const ProcessResult nothing = run_qcface({"compare", (out / "one").string(), made.folder.path().string()});
  REQUIRE(!nothing.ok());
  REQUIRE(nothing.says("no result of a protocol"));
  REQUIRE(!fs::exists(out / "x"));
}
