#include "harness/train/checkpoint.h"

#include <algorithm>
#include <climits>
#include <limits>
#include <map>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/tensors/safetensors.h"
#include "core/text.h"
#include "harness/model/tensor_file.h"
#include "nn/optimiser.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

nlohmann::ordered_json parse_metadata(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  require(found != metadata.end(), "{} is missing", key);
  try {
    auto json = parse_json<nlohmann::ordered_json>(found->second);
    require(json.is_object(), "it is a list or a single value");
    return json;
  } catch (const Error& error) {
    fail("{} is not a JSON object: {}", key, error.what());
  }
}

// What stands under `key`, for a message.
std::string found_at(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return "missing";
  return found->is_structured() ? found->type_name() : printable(found->dump(), 60);
}

std::int64_t integer_at(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  const bool good = found != json.end() && found->is_number_integer() &&
                    !(found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX);
  require(good && found->get<std::int64_t>() >= 0, "its {} is {}, expected a whole number from 0", key,
          found_at(json, key));
  return found->get<std::int64_t>();
}

// null is how JSON holds NaN.
double number_at(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  require(found != json.end() && (found->is_number() || found->is_null()), "its {} is {}, expected a number",
          key, found_at(json, key));
  return found->is_null() ? std::numeric_limits<double>::quiet_NaN() : found->get<double>();
}

std::string text_at(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  require(found != json.end() && found->is_string(), "its {} is {}, expected text", key, found_at(json, key));
  return from_json_text(found->get<std::string>());
}

void require_finite(std::span<const SafeTensorOut> tensors, const fs::path& path) {
  for (const SafeTensorOut& tensor : tensors) {
    if (tensor.dtype != Dtype::kF32) continue;
    std::size_t count = 1;
    for (const std::int64_t extent : tensor.shape) count *= static_cast<std::size_t>(extent);
    require(nn::all_finite({static_cast<const float*>(tensor.data), count}),
            "{} was not written: tensor {} holds NaN or infinity; the last checkpoint before it is good",
            path.string(), tensor.name);
  }
}

}  // namespace

nlohmann::ordered_json to_json(const RunState& s) {
  nlohmann::ordered_json json{{"epoch", s.epoch},
                              {"batch", s.batch},
                              {"global_step", s.global_step},
                              {"classes", s.classes},
                              {"pictures", s.pictures},
                              {"class_list", s.class_list},
                              {"picture_list", s.picture_list},
                              {"threads", s.threads},
                              {"criterion", to_json_text(s.criterion)},
                              {"epoch_pictures", s.sums.pictures},
                              {"epoch_loss", s.sums.loss},
                              {"epoch_loss_id", s.sums.loss_id},
                              {"epoch_loss_g", s.sums.loss_g},
                              {"epoch_top1", s.sums.top1},
                              {"epoch_top5", s.sums.top5},
                              {"epoch_z_sum", s.sums.z_sum},
                              {"epoch_z_min", s.sums.z_min},
                              {"epoch_z_max", s.sums.z_max}};
  if (s.best) {
    json["best"] = *s.best;
    if (s.best_step >= 0) json["best_step"] = s.best_step;
  }
  if (s.unverified) json["unverified"] = true;
  if (s.loss_scale > 0) {
    json["loss_scale"] = s.loss_scale;
    json["loss_scale_steps"] = s.loss_scale_steps;
  }
  return json;
}

RunState run_state_from_json(const nlohmann::json& json) {
  RunState s;
  s.epoch = integer_at(json, "epoch");
  s.batch = integer_at(json, "batch");
  s.global_step = integer_at(json, "global_step");
  s.classes = integer_at(json, "classes");
  s.pictures = integer_at(json, "pictures");
  if (json.contains("class_list")) s.class_list = text_at(json, "class_list");
  if (json.contains("picture_list")) s.picture_list = text_at(json, "picture_list");
  s.threads = static_cast<int>(std::min<std::int64_t>(integer_at(json, "threads"), INT_MAX));
  s.criterion = text_at(json, "criterion");
  s.sums.pictures = integer_at(json, "epoch_pictures");
  s.sums.loss = number_at(json, "epoch_loss");
  s.sums.loss_id = number_at(json, "epoch_loss_id");
  s.sums.loss_g = number_at(json, "epoch_loss_g");
  s.sums.top1 = integer_at(json, "epoch_top1");
  s.sums.top5 = integer_at(json, "epoch_top5");
  s.sums.z_sum = number_at(json, "epoch_z_sum");
  s.sums.z_min = number_at(json, "epoch_z_min");
  s.sums.z_max = number_at(json, "epoch_z_max");
  if (json.contains("best")) s.best = number_at(json, "best");
  if (json.contains("best_step")) s.best_step = integer_at(json, "best_step");
  s.unverified = json.contains("unverified") && json["unverified"] == true;
  if (json.contains("loss_scale")) {
    s.loss_scale = number_at(json, "loss_scale");
    s.loss_scale_steps = integer_at(json, "loss_scale_steps");
  }
  return s;
}

CheckpointFacts read_checkpoint_facts(const fs::path& path) {
  const TensorSource file = open_tensors(path);
  const auto& metadata = file.metadata();
  const auto format = metadata.find("format");
  require(format != metadata.end() && format->second == kCheckpointFormat,
          "{}: not a checkpoint of this program (its metadata has no format {}); bare weights go to "
          "--weight_path",
          path.string(), kCheckpointFormat);
  try {
    const auto arch = metadata.find("arch");
    require(arch != metadata.end(), "arch is missing");
    return {path, arch->second, parse_metadata(metadata, "config"),
            run_state_from_json(parse_metadata(metadata, "state"))};
  } catch (const Error& error) {
    fail("{}: its metadata is damaged: {}; take another checkpoint", path.string(), error.what());
  }
}

void save_checkpoint(const fs::path& path, nn::Network& network, const nn::Head& head,
                     const std::string& arch, const nlohmann::ordered_json& config, const RunState& state) {
  model::TensorWriter writer;
  const nn::ParameterStore& parameters = network.parameters();
  writer.add_backbone(parameters, nn::TensorRole::kValue);
  writer.add_batch_counters(parameters, state.global_step);
  writer.add_class_weights(head, nn::TensorRole::kValue);
  for (const nn::Head::State& kept : head.state()) writer.add_vector(kept.name, kept.values);
  writer.add_backbone(parameters, nn::TensorRole::kSlot);
  writer.add_class_weights(head, nn::TensorRole::kSlot);
  require_finite(writer.tensors(), path);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  require(!error, "{}: cannot be made: {}", path.parent_path().string(), error.message());
  write_safetensors(path, writer.tensors(),
                    {{"format", kCheckpointFormat},
                     {"arch", arch},
                     {"config", config.dump()},
                     {"state", to_json(state).dump()}});
}

void load_checkpoint(const fs::path& path, nn::Network& network, nn::Head& head) {
  const TensorSource file = open_tensors(path);
  for (const auto role : {nn::TensorRole::kValue, nn::TensorRole::kSlot}) {
    model::read_backbone(file, network.parameters(), role);
    model::read_class_weights(file, head, role);
  }
  for (const nn::Head::State& state : head.state()) {
    try {
      head.set_state({state.name, file.at(state.name).to_float()});
    } catch (const Error& error) {
      fail("{}: {}", path.string(), error.what());
    }
  }
  head.loaded();
}

}  // namespace qcface::train
