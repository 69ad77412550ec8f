// What users do wrong, and what they see then. Nothing crashes and nothing is lost.
#include <cmath>
#include <fstream>

#include "core/atomic_file.h"
#include "harness/data/augment/augmentation.h"
#include "harness/train/checkpoint.h"
#include "nn/backend.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

void require_refused(const test::ProcessResult& result, const std::string& expected) {
  INFO(result.output);
  REQUIRE(result.status != 0);
  REQUIRE(result.status < 128);
  REQUIRE(result.says(expected));
}

}  // namespace

TEST_CASE("unknown and contradictory flags are named") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  require_refused(test::train(run, {"--learning-speed", "1"}), "--learning-speed");
  require_refused(test::train(run, {"--arch", "ir19"}), "ir19");
  require_refused(test::train(run, {"--lr", "fast"}), "--lr");
  require_refused(test::train(run, {"--batch-size", "0"}), "--batch-size");
  require_refused(test::train(run, {"--augment", "none", "--jpeg-swap-rb"}), "--jpeg-swap-rb");
  require_refused(test::train(run, {"--augment", "hflip", "--jpeg-swap-rb"}),
                  "--jpeg-swap-rb and --augment hflip:0.5 contradict each other");
  require_refused(test::train(run, {"--augment", "hflip,blurr"}),
                  "--augment: step 2 \"blurr\": there is no such step");
  require_refused(test::train(run, {"--lr-schedule", "cosine", "--lr-drop-epoch", "3"}), "--lr-drop-epoch");
  require_refused(test::train(run, {"--gpu_id", "0"}), "--gpu_id");
  require_refused(test::train(run, {"--accumulate", "5"}), "--accumulate 5: each part of a batch needs 2");
  require_refused(test::train(run, {"--resume", "--weight_path", "x.safetensors"}), "--weight_path");
  require_refused(test::train(run, {"--resume"}), "no such file or folder");
  require_refused(test::train(run, {"--weight_path", (folder / "none.safetensors").string()}),
                  "none.safetensors");
  require_refused(test::qcface({"train", "--pth-save-fold", run.string()}), "--data_dirs");
  require_refused(test::qcface({"teach"}), "teach");
}

TEST_CASE("a malformed configuration file is refused by name") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const auto with_config = [&](const std::string& content) {
    write_file_atomically(folder / "my.json", content);
    return test::train(run, {"--config", (folder / "my.json").string()});
  };
  require_refused(with_config("{"), "my.json");
  require_refused(with_config("[1, 2]"), "JSON object");
  require_refused(with_config(R"({"momentun": 0.9})"), "momentun");
  require_refused(with_config(R"({"momentum": "0.9"})"), "momentum");
  require_refused(with_config(R"({"loss_model": "arcface9"})"), "arcface9");
  require_refused(with_config(R"({"augment": "hflip:2"})"),
                  "my.json: option \"augment\": step 1 \"hflip:2\": its probability is 2");
  require_refused(test::train(run, {"--config", (folder / "absent.json").string()}), "absent.json");
}

TEST_CASE("the resolved configuration of a run repeats it") {
  test::TemporaryFolder folder;
  REQUIRE(test::train(folder / "a", {"--epochs", "1", "--dropout", "0.1", "--lr-drop-epoch", "1", "2",
                                     "--augment", "aligned"})
              .ok());
  // A preset is kept as the steps that it stood for.
  const std::string config = read_file(folder / "a/config.json");
  REQUIRE_THAT(config, test::contains("\"augment\": \"" + std::string(data::kAlignedSteps) + "\""));
  REQUIRE_THAT(read_file(folder / "a/log.txt"),
               test::contains("augmentation " + std::string(data::kAlignedSteps)));
  // Stopped inside the epoch and resumed, too; another list is refused, the same one by its name is not.
  const auto again = test::qcface({"train", "--config", (folder / "a/config.json").string(),
                                   "--pth-save-fold", (folder / "b").string(), "--max-steps", "2"});
  INFO(again.output);
  REQUIRE(again.ok());
  require_refused(test::train(folder / "b", {"--resume", "--augment", "hflip"}),
                  "--augment \"hflip:0.5\" differs from the checkpoint's \"hflip:0.5,downup");
  REQUIRE(test::train(folder / "b", {"--resume", "--max-steps", "0", "--augment", "aligned"}).ok());
  REQUIRE(test::tensor_bytes(test::newest_checkpoint(folder / "a")) ==
          test::tensor_bytes(test::newest_checkpoint(folder / "b")));
}

TEST_CASE("picture sets that cannot be trained on are refused by name") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  fs::create_directories(folder / "empty");
  fs::create_directories(folder / "one");
  fs::copy(fs::directory_iterator(test::small_faces() / "train")->path(), folder / "one/somebody");
  require_refused(test::train(run, {"--data_dirs", (folder / "absent").string()}), "absent");
  require_refused(test::train(run, {"--data_dirs", (folder / "empty").string()}), "empty");
  require_refused(test::train(run, {"--data_dirs", (folder / "one").string()}), "at least 2");
  // 30 pictures: batches of 29 leave one picture over.
  require_refused(test::train(run, {"--batch-size", "29"}), "--drop-last");
  REQUIRE(test::train(run, {"--batch-size", "29", "--drop-last", "--epochs", "1"}).ok());
}

TEST_CASE("a batch larger than the set is one batch") {
  test::TemporaryFolder folder;
  const auto result = test::train(folder / "run", {"--batch-size", "100", "--epochs", "1"});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(result.says("larger than the set"));
  REQUIRE(test::losses(folder / "run").size() == 1);
}

TEST_CASE("a corrupt picture is skipped, counted and named; many stop the run") {
  test::TemporaryFolder folder;
  const auto faces = folder / "faces";
  fs::create_directories(faces);
  for (int copy = 0; copy < 4; ++copy) {  // 120 pictures: one bad picture is under 1 %
    fs::copy(test::small_faces() / "train", faces / std::to_string(copy), fs::copy_options::recursive);
  }
  std::string roots;
  for (int copy = 0; copy < 4; ++copy) roots += (copy ? "," : "") + (faces / std::to_string(copy)).string();
  const fs::path identity = fs::directory_iterator(faces / "0")->path();
  const fs::path victim = fs::directory_iterator(identity)->path();
  fs::resize_file(victim, 300);
  const auto result =
      test::train(folder / "run", {"--data_dirs", roots, "--batch-size", "20", "--epochs", "1"});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(result.says(victim.filename().string()));
  REQUIRE(result.says("1 corrupt"));

  for (const auto& picture : fs::directory_iterator(identity)) fs::resize_file(picture.path(), 300);
  require_refused(test::train(folder / "run2", {"--data_dirs", roots, "--batch-size", "20", "--epochs", "1"}),
                  "1 %");
  REQUIRE(
      fs::is_empty(folder / "run2/checkpoints"));  // nothing was trained: the same command can be tried again
}

TEST_CASE("NaN stops the run, is named, and leaves the last good checkpoint") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const auto result = test::train(run, {"--lr", "1e25", "--epochs", "30", "--save-steps", "1"});
  INFO(result.output);
  REQUIRE(result.status == 1);
  REQUIRE(result.says("NaN or infinity"));
  REQUIRE((result.says("layer") || result.says("tensor")));
  if (const auto newest = fs::exists(run / "checkpoints") ? test::newest_checkpoint(run) : fs::path();
      !newest.empty()) {
    const TensorSource file = open_tensors(newest);
    for (const TensorView& view : file.tensors()) {
      if (view.dtype != Dtype::kF32) continue;
      for (const float value : view.to_float()) REQUIRE(std::isfinite(value));
    }
  }
}

TEST_CASE("a full disk while saving keeps the last good checkpoint") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  REQUIRE(test::train(run, {"--max-steps", "2"}).ok());
  const auto good = test::newest_checkpoint(run);
  const auto before = test::tensor_bytes(good);
  test::ProcessOptions options;
  options.file_size_limit = fs::file_size(good) / 2;
  require_refused(test::train(run, {"--resume", "--max-steps", "4"}, options), "write failed");
  REQUIRE(test::newest_checkpoint(run) == good);
  REQUIRE(test::tensor_bytes(good) == before);
  REQUIRE(test::train(run, {"--resume", "--max-steps", "4"}).ok());
}

TEST_CASE("another run's folder is not overwritten") {
  test::TemporaryFolder folder;
  REQUIRE(test::train(folder / "run", {"--max-steps", "1"}).ok());
  require_refused(test::train(folder / "run", {"--max-steps", "1"}), "--resume");
}

TEST_CASE("cuda without a GPU is one line and a failure; auto falls back and says so") {
  if (nn::cuda_device_count() > 0) QCFACE_SKIP("this machine has a GPU");
  test::TemporaryFolder folder;
  require_refused(test::train(folder / "a", {"--device", "cuda"}), "--device cuda: no usable GPU");
  const std::string pictures = (test::small_faces() / "verify/imgs").string();
  require_refused(test::qcface({"embed", "--data", pictures, "--device", "cuda"}),
                  "--device cuda: no usable GPU");
  require_refused(test::train(folder / "a", {"--device", "auto", "--precision", "bf16"}),
                  "--precision bf16: the CPU computes in fp32 only");
  const auto fallback = test::train(folder / "b", {"--device", "auto", "--max-steps", "1"});
  REQUIRE(fallback.ok());
  REQUIRE(fallback.says("device: cpu (no usable GPU"));
}
