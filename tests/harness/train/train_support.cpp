#include "tests/harness/train/train_support.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "harness/synth/synth.h"
#include "harness/train/setup.h"
#include "harness/train/trainer.h"
#include "tests/support/thread_ranks.h"

namespace qcface::test {

namespace fs = std::filesystem;

const fs::path& small_faces() {
  static const TemporaryFolder folder;
  static const fs::path faces = [] {
    synth::SynthOptions options;
    options.out = folder / "faces";
    options.identities = 5;
    options.pictures_per_identity = 6;
    options.verify_identities = 6;
    options.verify_pictures = 4;
    options.pairs = 40;
    options.degrade_sources = 2;
    options.seed = 3;
    options.threads = 2;
    synth::synthesize_faces(options);
    return options.out;
  }();
  return faces;
}

void on_ranks(int ranks, const std::function<void(Communicator&)>& work) {
  if (ranks > 1) return run_ranks(ranks, work);
  const auto alone = make_single_communicator();
  work(*alone);
}

void train_on_ranks(int ranks, const std::vector<std::string>& arguments) {
  on_ranks(ranks, [&](Communicator& communicator) {
    CLI::App app;
    OptionTable table(app);
    train::TrainOptions options;
    train::add_train_options(table, options);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
    const auto run = train::settle_run(table, options, communicator);
    train::run_training(options, train::run_configuration(table), run.resume, communicator);
  });
}

ProcessResult qcface(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  std::vector<std::string> all{QCFACE_EXECUTABLE};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_process(all, options);
}

ProcessResult train(const fs::path& run, const std::vector<std::string>& extra,
                    const ProcessOptions& options) {
  std::vector<std::string> arguments{"train", "--pth-save-fold", run.string()};
  const std::vector<std::pair<std::string, std::string>> defaults{
      {"--data_dirs", (small_faces() / "train").string()},
      {"--arch", "mini"},
      {"--embed_dims", "32"},
      {"--phase", "norm"},
      {"--lambda_g", "1"},
      {"--epochs", "2"},
      {"--batch-size", "8"},
      {"--lr", "0.05"},
      {"--print-freq", "1"},
      {"--workers", "2"},
      {"--seed", "7"},
      {"--device", "cpu"},
      {"--threads", "2"},
      {"--weight-decay", "5e-4"}};
  const bool resuming = std::find(extra.begin(), extra.end(), "--resume") != extra.end();
  for (const auto& [flag, value] : defaults) {
    if (resuming || std::find(extra.begin(), extra.end(), flag) != extra.end()) continue;
    arguments.push_back(flag);
    arguments.push_back(value);
  }
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  return qcface(arguments, options);
}

std::thread remove_when_logged(const fs::path& run, const std::string& text, const fs::path& victim) {
  return std::thread([=] {
    const auto latest = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    const auto logged = [&] {
      std::ifstream log(run / "log.txt");
      return std::string(std::istreambuf_iterator<char>(log), {}).find(text) != std::string::npos;
    };
    while (!logged() && std::chrono::steady_clock::now() < latest)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    fs::remove_all(victim);
  });
}

std::map<std::string, std::string> tensor_bytes(const fs::path& file) {
  std::map<std::string, std::string> tensors;
  const TensorSource opened = open_tensors(file);
  for (const TensorView& view : opened.tensors()) {
    tensors[view.name] = std::string(reinterpret_cast<const char*>(view.data), view.bytes);
  }
  return tensors;
}

fs::path newest_checkpoint(const fs::path& run) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    // One that was being written when its run was killed ends with .tmp.
    const fs::path name = entry.path().filename();
    if (name.string().starts_with("step-") && name.extension() == ".safetensors")
      newest = std::max(newest, entry.path());
  }
  return newest;
}

std::vector<nlohmann::json> step_records(const fs::path& run) {
  std::vector<nlohmann::json> records;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    auto record = nlohmann::json::parse(line);
    if (record.at("kind") == "step") records.push_back(std::move(record));
  }
  return records;
}

std::vector<std::string> losses(const fs::path& run) {
  std::vector<std::string> values;
  for (const auto& record : step_records(run))
    values.push_back(record.at("global_step").dump() + " " + record.at("loss").dump());
  return values;
}

}  // namespace qcface::test
