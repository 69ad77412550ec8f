#include "harness/train/checkpoint.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "harness/model/tensor_file.h"
#include "nn/sgd.h"

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

CheckpointFacts read_checkpoint_facts(const fs::path& path) {
  const SafeTensorsFile file(path);
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
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  require(!error, "{}: cannot be made: {}", path.parent_path().string(), error.message());
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

}  // namespace qcface::train
