// Every benchmark from its files to its figures through the command line: painted sets in the exact layout, a network of one
// training step, embeddings kept between the commands.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/json.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

struct Benchmark {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<std::string> files;  // beside NAME.json
  std::string says;
};

void succeeds(const std::vector<std::string>& arguments) {
  const test::ProcessResult result = test::run_qcface(arguments);
  INFO(result.output);
  REQUIRE(result.status == 0);
}

}  // namespace

TEST_CASE("every benchmark runs from its files to its figures, and a second time without the network",
          "[cli]") {
  const test::TemporaryFolder folder;
  const auto path = [&](const std::string& name) { return (folder.path() / name).string(); };
  for (const char* toy : {"hq", "ijb", "tinyface", "ijbs"})
    succeeds({"data", "toy", "--benchmark", toy, "--out", path(toy), "--people", "5"});
  succeeds({"data", "synth", "--out", path("faces"), "--identities", "4", "--pictures", "4",
            "--verify-identities", "4", "--verify-pictures", "3", "--pairs", "20", "--degrade-sources", "2"});
  succeeds({"train", "--data_dirs", path("faces/train"), "--arch", "mini", "--batch-size", "8", "--max-steps",
            "1", "--pth-save-fold", path("run"), "--no-report"});
  std::string weights;
  for (const auto& entry : fs::directory_iterator(folder.path() / "run/checkpoints"))
    weights = entry.path().string();

  const std::vector<Benchmark> benchmarks{
      {"hq",
       {"--data_root", path("hq"), "--test_db", "lfw,cfp_fp", "--alpha", "0.05", "--beta", "0.08"},
       {"hq.csv", "results.txt", "roc.svg", "lfw/cos_lfw.txt", "cfp_fp/qmag_cfp_fp.txt"},
       "cfp_fp"},
      {"ijb",
       {"--data_root", path("ijb"), "--dataset_name", "IJBB", "--similarity_method", "cosine", "euclid"},
       {"ijb.csv", "roc.csv", "roc.svg"},
       "TPIR at FPIR 0.1"},
      {"tinyface",
       {"--data_root", path("tinyface"), "--similarity", "cosine"},
       {"tinyface.csv", "cmc.csv", "cmc.svg"},
       "mean average precision"},
      {"ijbs", {"--data_root", path("ijbs")}, {"ijbs.csv"}, "unvalidated"},
      {"identify",
       {"--gallery", path("faces/train"), "--probe", path("faces/train"), "--data", path("faces")},
       {"identify.csv", "cmc.svg"},
       "rank 1"},
      {"quality",
       {"--data", path("faces/verify"), "--levels", path("faces/degrade"), "--variant", "all"},
       {"erc.csv", "magnitude_histogram.svg", "degradation.csv"},
       "mean of kinds"}};
  for (const Benchmark& benchmark : benchmarks) {
    std::string first;
    for (const char* out : {"a", "b"}) {
      std::vector<std::string> arguments{"eval", benchmark.name, "--weights",  weights, "--threads",
                                         "1",    "--cache",      path("cache")};
      arguments.insert(arguments.end(), benchmark.arguments.begin(), benchmark.arguments.end());
      arguments.insert(arguments.end(), {"--out", path(benchmark.name + "-" + out)});
      const test::ProcessResult result = test::run_qcface(arguments);
      INFO(result.output);
      REQUIRE(result.status == 0);
      CHECK(result.says(benchmark.says));
      CHECK((std::string(out) == "a" || result.says("taken from")));
      CHECK((std::string(out) == "a" || !result.says("embedding ")));
      const fs::path folder_of = path(benchmark.name + "-" + out);
      for (const std::string& file : benchmark.files) {
        INFO(file);
        CHECK(fs::file_size(folder_of / file) > 0);
      }
      auto json = parse_json(read_file(folder_of / (benchmark.name + ".json")));
      CHECK(json.at("format") == "qcface-" + benchmark.name + "/1");
      CHECK(json.at("conditions").at("model").get<std::string>().size() == 16);
      CHECK(json.at("data").at("fingerprint").get<std::string>().size() == 16);
      // Nothing but the time depends on where the embeddings come from.
      const std::string sheet = read_file(folder_of / benchmark.files.front());
      if (first.empty()) first = sheet;
      CHECK(sheet == first);
    }
  }
  succeeds({"compare", path("hq-a"), path("hq-b"), "--out", path("compared")});
  CHECK(fs::file_size(folder.path() / "compared" / "compare.html") > 1000);
}
