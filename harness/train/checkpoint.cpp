#include "harness/train/checkpoint.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/comm/agreement.h"
#include "core/error.h"
#include "core/json.h"
#include "core/tensors/safetensors.h"
#include "harness/model/family.h"
#include "harness/model/tensor_file.h"
#include "harness/train/checkpoint_files.h"
#include "harness/train/mean_statistics.h"
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
    bool finite = true;
    if (tensor.stream != nullptr) {
      tensor.stream([&finite](std::span<const std::byte> block) {
        const auto* const values = reinterpret_cast<const float*>(block.data());
        finite = finite && nn::all_finite({values, block.size() / sizeof(float)});
      });
    } else {
      std::size_t count = 1;
      for (const std::int64_t extent : tensor.shape) count *= static_cast<std::size_t>(extent);
      finite = nn::all_finite({static_cast<const float*>(tensor.data), count});
    }
    if (finite) continue;
    throw NotFiniteTensor(
        fmt::format("{} was not written: tensor {} holds NaN or infinity", path.string(), tensor.name));
  }
}

using Metadata = std::map<std::string, std::string>;
constexpr nn::TensorRole kRoles[] = {nn::TensorRole::kValue, nn::TensorRole::kSlot};

void add_head_state(model::TensorWriter& writer, const nn::Head& head) {
  for (const nn::Head::State& kept : head.state()) writer.add_vector(kept.name, kept.values);
}

std::string statistics_name(int rank) { return fmt::format("rank.{}.statistics", rank); }

// The names of the tensors that a rank wrote, after that of its file, a line each.
std::string write_part(const fs::path& folder, const std::string& file, const model::TensorWriter& writer,
                       const Metadata& metadata) {
  require_finite(writer.tensors(), folder / file);
  write_safetensors(folder / file, writer.tensors(), metadata);
  std::string names = file;
  for (const SafeTensorOut& tensor : writer.tensors()) names += "\n" + tensor.name;
  return names;
}

void add_to_index(nlohmann::json& weight_map, const std::string& names) {
  std::istringstream lines(names);
  std::string file, tensor;
  std::getline(lines, file);
  while (std::getline(lines, tensor)) weight_map[tensor] = file;
}

void save_parts(const fs::path& path, nn::Network& network, const nn::Head& head, const Metadata& metadata,
                const RunState& state, Communicator& communicator) {
  const fs::path folder = path.string() + ".tmp";
  if (leads(communicator)) {
    std::error_code error;
    fs::remove_all(folder, error);  // of a save that was stopped
    make_folder(folder);
  }
  communicator.barrier();
  const MeanStatistics mean(network.parameters(), communicator);
  model::TensorWriter own;
  for (const auto role : kRoles) own.add_class_part(head, role);
  own.add_vector(statistics_name(communicator.rank()), mean.own());
  const std::string file =
      fmt::format("classes-{:05}-of-{:05}.safetensors", communicator.rank() + 1, communicator.size());
  const std::string mine = write_part(folder, file, own, {});
  nlohmann::json index{{"metadata", nlohmann::json::object()}, {"weight_map", nlohmann::json::object()}};
  if (leads(communicator)) {
    model::TensorWriter common;
    for (const auto role : kRoles) common.add_backbone(network.parameters(), role);
    common.add_batch_counters(network.parameters(), state.global_step);
    add_head_state(common, head);
    add_to_index(index["weight_map"], write_part(folder, "backbone.safetensors", common, metadata));
  }
  // Where all have come, all have written.
  const std::vector<std::string> parts = texts_of_ranks(communicator, mine);
  if (leads(communicator)) {
    for (const std::string& names : parts) add_to_index(index["weight_map"], names);
    write_file_atomically(folder / "model.safetensors.index.json", index.dump(1) + "\n");
    put_in_place(folder, path);
  }
  communicator.barrier();
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
                     const std::string& arch, const nlohmann::ordered_json& config, const RunState& state,
                     Communicator& communicator) {
  const Metadata metadata{{"format", kCheckpointFormat},
                          {"arch", arch},
                          {"config", config.dump()},
                          {"state", to_json(state).dump()}};
  if (communicator.size() > 1) return save_parts(path, network, head, metadata, state, communicator);
  model::TensorWriter writer;
  const nn::ParameterStore& parameters = network.parameters();
  writer.add_backbone(parameters, nn::TensorRole::kValue);
  writer.add_batch_counters(parameters, state.global_step);
  writer.add_class_weights(head, nn::TensorRole::kValue);
  add_head_state(writer, head);
  writer.add_backbone(parameters, nn::TensorRole::kSlot);
  writer.add_class_weights(head, nn::TensorRole::kSlot);
  require_finite(writer.tensors(), path);
  make_folder(path.parent_path());
  // Several ranks may have left a folder of that name.
  std::error_code error;
  const bool replaces = fs::is_directory(path, error);
  const fs::path written = replaces ? fs::path(path.string() + ".tmp") : path;
  write_safetensors(written, writer.tensors(), metadata);
  if (replaces) put_in_place(written, path);
}

void load_checkpoint(const fs::path& path, nn::Network& network, nn::Head& head,
                     const Communicator& communicator) {
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
  const std::int64_t count = static_cast<std::int64_t>(network.parameters().buffers().size());
  const TensorView* const own = file.find(statistics_name(communicator.rank()));
  const bool as_many = own != nullptr && file.find(statistics_name(communicator.size())) == nullptr &&
                       file.find(statistics_name(communicator.size() - 1)) != nullptr;
  if (!as_many || own->elements() != count) return;
  const std::vector<float> statistics = own->to_float();
  network.parameters().backend().copy_to_device(network.parameters().buffers().data(), statistics.data(),
                                                statistics.size() * sizeof(float));
}

}  // namespace qcface::train
