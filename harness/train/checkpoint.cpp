#include "harness/train/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "harness/model/tensor_file.h"
#include "nn/sgd.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStepPrefix = "step-";
constexpr const char* kSuffix = ".safetensors";

// Step checkpoints of a folder, oldest first.
std::vector<fs::path> step_checkpoints(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kStepPrefix) && name.ends_with(kSuffix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void require_finite(nn::Network& network, Head& head, const fs::path& path) {
  const auto refuse = [&](const std::string& tensor) {
    fail("{} was not written: tensor {} holds NaN or infinity; the last checkpoint before it is good",
         path.string(), tensor);
  };
  for (const auto role : {nn::TensorRole::kValue, nn::TensorRole::kMomentum}) {
    const std::string bad = network.parameters().first_non_finite(role);
    if (!bad.empty()) refuse((role == nn::TensorRole::kMomentum ? "momentum.backbone." : "backbone.") + bad);
  }
  if (!nn::all_finite(head.weights())) refuse("head.weight");
  if (!nn::all_finite(head.momentum())) refuse("momentum.head.weight");
}

}  // namespace

nlohmann::ordered_json to_json(const RunState& s) {
  nlohmann::ordered_json json{{"epoch", s.epoch},
                              {"batch", s.batch},
                              {"global_step", s.global_step},
                              {"classes", s.classes},
                              {"pictures", s.pictures},
                              {"threads", s.threads},
                              {"criterion", s.criterion},
                              {"epoch_pictures", s.sums.pictures},
                              {"epoch_loss", s.sums.loss},
                              {"epoch_loss_id", s.sums.loss_id},
                              {"epoch_loss_g", s.sums.loss_g},
                              {"epoch_top1", s.sums.top1},
                              {"epoch_top5", s.sums.top5},
                              {"epoch_z_sum", s.sums.z_sum},
                              {"epoch_z_min", s.sums.z_min},
                              {"epoch_z_max", s.sums.z_max}};
  if (s.best) json["best"] = *s.best;
  if (s.loss_scale > 0) {
    json["loss_scale"] = s.loss_scale;
    json["loss_scale_steps"] = s.loss_scale_steps;
  }
  return json;
}

RunState run_state_from_json(const nlohmann::json& json) {
  RunState s;
  json.at("epoch").get_to(s.epoch);
  json.at("batch").get_to(s.batch);
  json.at("global_step").get_to(s.global_step);
  json.at("classes").get_to(s.classes);
  json.at("pictures").get_to(s.pictures);
  json.at("threads").get_to(s.threads);
  json.at("criterion").get_to(s.criterion);
  json.at("epoch_pictures").get_to(s.sums.pictures);
  json.at("epoch_loss").get_to(s.sums.loss);
  json.at("epoch_loss_id").get_to(s.sums.loss_id);
  json.at("epoch_loss_g").get_to(s.sums.loss_g);
  json.at("epoch_top1").get_to(s.sums.top1);
  json.at("epoch_top5").get_to(s.sums.top5);
  json.at("epoch_z_sum").get_to(s.sums.z_sum);
  json.at("epoch_z_min").get_to(s.sums.z_min);
  json.at("epoch_z_max").get_to(s.sums.z_max);
  if (json.contains("best")) s.best = json["best"].get<double>();
  s.loss_scale = json.value("loss_scale", 0.0);
  s.loss_scale_steps = json.value("loss_scale_steps", std::int64_t{0});
  require(s.epoch >= 0 && s.batch >= 0 && s.global_step >= 0, "its position is negative");
  return s;
}

CheckpointFacts read_checkpoint_facts(const fs::path& path) {
  const SafeTensorsFile file(path);
  const auto& metadata = file.metadata();
  const auto format = metadata.find("format");
  require(format != metadata.end() && format->second == kCheckpointFormat,
          "{}: not a checkpoint of this program (its metadata has no format {}); bare weights go to "
          "--weight_path",
          path.string(), kCheckpointFormat);
  try {
    return {path, metadata.at("arch"), nlohmann::ordered_json::parse(metadata.at("config")),
            run_state_from_json(nlohmann::json::parse(metadata.at("state")))};
  } catch (const std::exception& error) {
    fail("{}: damaged metadata: {}", path.string(), error.what());
  }
}

fs::path latest_checkpoint(const fs::path& run) {
  std::vector<fs::path> files = step_checkpoints(run / "checkpoints");
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    try {
      read_checkpoint_facts(*file);
      return *file;
    } catch (const Error& error) {
      log::warn("{}; trying the one before it", error.what());
    }
  }
  fail("{}: no checkpoint to resume from; expected {}/checkpoints/step-*.safetensors", run.string(),
       run.string());
}

void save_checkpoint(const fs::path& path, nn::Network& network, Head& head, const std::string& arch,
                     const nlohmann::ordered_json& config, const RunState& state) {
  require_finite(network, head, path);
  model::TensorWriter writer;
  const nn::ParameterStore& parameters = network.parameters();
  network.parameters().momentum();  // exists from here on, zero before the first step
  writer.add_backbone(parameters, nn::TensorRole::kValue, "backbone.");
  writer.add_batch_counters(parameters, state.global_step, "backbone.");
  writer.add_class_weights("head.weight", head.weights(), head.classes(), head.width());
  for (const HeadState& kept : head_states(head)) writer.add_vector(kept.name, kept.values);
  writer.add_backbone(parameters, nn::TensorRole::kMomentum, "momentum.backbone.");
  writer.add_class_weights("momentum.head.weight", head.momentum(), head.classes(), head.width());
  fs::create_directories(path.parent_path());
  write_safetensors(path, writer.tensors(),
                    {{"format", kCheckpointFormat},
                     {"arch", arch},
                     {"config", config.dump()},
                     {"state", to_json(state).dump()}});
}

void load_checkpoint(const fs::path& path, nn::Network& network, Head& head) {
  const SafeTensorsFile file(path);
  const std::string name = path.string();
  network.parameters().momentum();
  model::read_backbone(file, name, network.parameters());
  model::read_backbone(file, name, network.parameters(), nn::TensorRole::kMomentum);
  model::read_class_weights(file, name, "head.weight", head.classes(), head.width(), head.weights());
  model::read_class_weights(file, name, "momentum.head.weight", head.classes(), head.width(),
                            head.momentum());
  for (const HeadState& state : head_states(head)) {
    const std::vector<float> values = file.at(state.name).to_float();
    require(values.size() == state.values.size(), "{}: tensor {} has {} values, expected {}", name,
            state.name, values.size(), state.values.size());
    std::copy(values.begin(), values.end(), state.values.begin());
  }
}

void prune_checkpoints(const fs::path& folder, int keep) {
  std::vector<fs::path> files = step_checkpoints(folder);
  const auto surplus = static_cast<std::ptrdiff_t>(files.size()) - keep;
  std::error_code ignored;  // a file that cannot be removed costs space, not the run
  for (std::ptrdiff_t i = 0; i < surplus; ++i) fs::remove(files[static_cast<std::size_t>(i)], ignored);
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".tmp") fs::remove(entry.path(), ignored);
  }
}

fs::path checkpoint_path(const fs::path& run, std::int64_t global_step) {
  return run / "checkpoints" / fmt::format("{}{:09}{}", kStepPrefix, global_step, kSuffix);
}

fs::path best_path(const fs::path& run) { return run / "checkpoints" / (std::string("best") + kSuffix); }

void mark_best(const fs::path& run, const fs::path& checkpoint) {
  // A second name for the same bytes costs no space; where links are not to be had, a copy does it.
  const fs::path best = best_path(run);
  const fs::path temporary = best.string() + ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_hard_link(checkpoint, temporary, error);
  if (error) fs::copy_file(checkpoint, temporary);
  fs::rename(temporary, best);
}

}  // namespace qcface::train
