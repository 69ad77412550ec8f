#include "harness/train/checkpoint.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/tensors/safetensors.h"
#include "harness/model/family.h"
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

void require_finite(std::span<const SafeTensorOut> tensors, const fs::path& path) {
  for (const SafeTensorOut& tensor : tensors) {
    if (tensor.dtype != Dtype::kF32) continue;
    std::size_t count = 1;
    for (const std::int64_t extent : tensor.shape) count *= static_cast<std::size_t>(extent);
    if (nn::all_finite({static_cast<const float*>(tensor.data), count})) continue;
    throw NotFiniteTensor(
        fmt::format("{} was not written: tensor {} holds NaN or infinity", path.string(), tensor.name));
  }
}

}  // namespace

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
  const model::ModelFile opened = model::open_model(path);
  const TensorSource& file = opened.tensors;
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
