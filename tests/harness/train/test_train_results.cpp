// What a run leaves behind, and that it does not depend on what it must not depend on.
#include <fstream>

#include "core/atomic_file.h"
#include "core/npy.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;

TEST_CASE("the number of loader threads does not change results") {
  test::TemporaryFolder folder;
  std::map<std::string, std::string> first;
  for (const char* workers : {"0", "1", "3"}) {
    const auto run = folder / workers;
    const auto result = test::train(run, {"--workers", workers, "--augment", "published"});
    INFO(result.output);
    REQUIRE(result.ok());
    const auto tensors = test::tensor_bytes(test::newest_checkpoint(run));
    if (first.empty()) first = tensors;
    REQUIRE(tensors == first);
  }
}

TEST_CASE("a run leaves configuration, log, metrics, checkpoints, plots, events and a report") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const auto result = test::train(run, {"--eval-data", (test::small_faces() / "verify").string(),
                                        "--degrade-data", (test::small_faces() / "degrade").string()});
  INFO(result.output);
  REQUIRE(result.ok());
  for (const char* name :
       {"config.json", "log.txt", "metrics.jsonl", "checkpoints/best.safetensors", "plots", "tensorboard",
        "report.html", "eval/verify.json", "eval/roc.csv", "eval/degradation.json"}) {
    INFO(name);
    REQUIRE(fs::exists(run / name));
  }
  REQUIRE(test::losses(run).size() == 8);
  REQUIRE(read_file(run / "log.txt").find("step 8/8") != std::string::npos);

  SECTION("embed writes one row a picture") {
    const auto embedded =
        test::qcface({"embed", "--weights", (run / "checkpoints/best.safetensors").string(), "--data",
                      (test::small_faces() / "verify/imgs").string(), "--out", (folder / "e").string()});
    INFO(embedded.output);
    REQUIRE(embedded.ok());
    const NpyArray rows = read_npy(folder / "e/embeddings.npy");
    REQUIRE(rows.shape == std::vector<std::int64_t>{24, 32});
    REQUIRE(read_npy(folder / "e/filenames.npy").to_strings().size() == 24);
  }
  SECTION("inspect shows configuration and tensors") {
    const auto shown = test::qcface({"inspect", (run / "checkpoints/best.safetensors").string()});
    REQUIRE(shown.ok());
    REQUIRE(shown.says("backbone.layer1.0.conv1.weight"));
    REQUIRE(shown.says("\"loss_model\": \"qcface\""));
  }
  SECTION("a checkpoint is verified on its own with the same result") {
    const auto verified = test::qcface({"eval", "verify", "--weights", test::newest_checkpoint(run).string(),
                                        "--data", (test::small_faces() / "verify").string(), "--out",
                                        (folder / "v").string(), "--threads", "2"});
    INFO(verified.output);
    REQUIRE(verified.ok());
    REQUIRE(read_file(folder / "v/roc.csv") == read_file(run / "eval/roc.csv"));
  }
}

TEST_CASE("every head trains, and its state is saved") {
  for (const char* head : {"qcface", "qcface-cur", "qcface-mv", "softmax", "cosface", "arcface", "magface",
                           "adaface", "curricular", "mv-arc", "mv-am"}) {
    test::TemporaryFolder folder;
    const auto result = test::train(folder / "run", {"--loss_model", head, "--max-steps", "2"});
    INFO(result.output);
    REQUIRE(result.ok());
    const auto tensors = test::tensor_bytes(test::newest_checkpoint(folder / "run"));
    const std::string name = head;
    REQUIRE(tensors.count("head.t") == (name == "qcface-cur" || name == "curricular" ? 1u : 0u));
    REQUIRE(tensors.count("head.length_stats") == (name == "adaface" ? 1u : 0u));
    REQUIRE(tensors.count("backbone.bn1.num_batches_tracked") == 1);
  }
}

TEST_CASE("initial weights from a file give the first loss of the run they came from") {
  test::TemporaryFolder folder;
  const std::vector<std::string> plain{"--no-shuffle", "--augment", "none",           "--dropout", "0",
                                       "--lr",         "0",         "--weight-decay", "0"};
  auto first = plain;
  first.insert(first.end(), {"--max-steps", "1"});
  REQUIRE(test::train(folder / "a", first).ok());
  auto second = plain;
  second.insert(second.end(), {"--max-steps", "1", "--seed", "99", "--weight_path",
                               test::newest_checkpoint(folder / "a").string()});
  const auto result = test::train(folder / "b", second);
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(test::losses(folder / "a") == test::losses(folder / "b"));
}

TEST_CASE("docs/command-line.md is what the option tables say") {
  const auto made = test::qcface({"docs"});
  REQUIRE(made.ok());
  REQUIRE(made.output == read_file(QCFACE_SOURCE_DIR "/docs/command-line.md"));
}
