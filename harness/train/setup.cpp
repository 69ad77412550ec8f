#include "harness/train/setup.h"

#include "core/device.h"
#include "core/log.h"
#include "harness/console/compute_threads.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

// The folder a checkpoint belongs to: <run>/checkpoints/<file>, or the file's own folder.
fs::path run_of_checkpoint(const fs::path& checkpoint) {
  const fs::path folder = fs::absolute(checkpoint).parent_path();
  return folder.filename() == "checkpoints" ? folder.parent_path() : folder;
}

CheckpointFacts settle_resume(OptionTable& table, TrainOptions& options) {
  for (const char* key : {"config", "weight_path", "start-epoch"}) {
    require(!table.given(key),
            "--resume and --{} contradict each other: a resumed run takes its configuration, weights and "
            "position "
            "from the checkpoint",
            key);
  }
  require(!table.given("config"),
          "--resume and --config contradict each other: a resumed run takes its configuration from the "
          "checkpoint");
  const fs::path named = options.resume.empty() ? fs::path(options.pth_save_fold) : fs::path(options.resume);
  require(fs::exists(named), "--resume {}: no such file or folder", named.string());
  CheckpointFacts facts = read_checkpoint_facts(fs::is_directory(named) ? latest_checkpoint(named) : named);

  const OptionTable::Json wanted = table.resolved();
  for (const std::string& key : table.keys()) {
    if (!table.given(key) || may_change_on_resume(key)) continue;
    const auto stored = facts.config.find(key);
    require(stored == facts.config.end() || *stored == wanted.at(key),
            "--{} {} differs from the checkpoint's {}: a resumed run keeps what shapes the training; leave "
            "the flag out, or "
            "start a new run from these weights with --weight_path",
            key, wanted.at(key).dump(), stored == facts.config.end() ? "" : stored->dump());
  }
  table.apply_config(facts.config, facts.path.string());
  if (!table.given("pth-save-fold")) options.pth_save_fold = run_of_checkpoint(facts.path).string();
  return facts;
}

}  // namespace

std::optional<CheckpointFacts> settle_options(OptionTable& table, TrainOptions& options) {
  std::optional<CheckpointFacts> resume;
  if (table.given("resume")) {
    resume = settle_resume(table, options);
  } else if (!options.config.empty()) {
    table.apply_config_file(options.config);
    require(!table.chosen("resume"),
            "{}: \"resume\" belongs on the command line, not in a configuration file", options.config);
  }
  check_contradictions(table, options);
  check_train_options(options);
  return resume;
}

OptionTable::Json run_configuration(const OptionTable& table) {
  OptionTable::Json config = table.resolved();
  config.erase("config");
  config.erase("resume");
  return config;
}

DeviceKind choose_device(const TrainOptions& options) {
  if (options.device != "cpu") {
    std::string reason;
    const int gpus = cuda_device_count(&reason);
    if (options.device == "cuda") {
      require(gpus > 0, "--device cuda: no usable GPU: {}; use --device cpu", reason);
    }
    if (gpus > 0) {
      require(options.gpu_id.size() == 1, "--gpu_id: this version trains on one GPU, but {} were named",
              options.gpu_id.size());
      require(options.gpu_id[0] >= 0 && options.gpu_id[0] < gpus,
              "--gpu_id {}: there are {} GPUs, numbered from 0", options.gpu_id[0], gpus);
      return DeviceKind::kCuda;
    }
    log::info("device: cpu (no usable GPU: {})", reason);
  }
  require(options.precision == "fp32", "--precision {}: the CPU computes in fp32 only", options.precision);
  return DeviceKind::kCpu;
}

void prepare_run_folder(const fs::path& run, bool resuming) {
  std::error_code error;
  fs::create_directories(run, error);
  require(!error, "--pth-save-fold {}: cannot be made: {}", run.string(), error.message());
  if (resuming) return;
  const fs::path checkpoints = run / "checkpoints";
  require(!fs::exists(checkpoints) || fs::is_empty(checkpoints),
          "--pth-save-fold {}: holds checkpoints of another run; go on with it (--resume), name another "
          "folder, or remove it",
          run.string());
}

int compute_threads(const TrainOptions& options) {
  return settle_threads(options.threads, 2 * options.workers);  // a verification loads beside the training
}

}  // namespace qcface::train
