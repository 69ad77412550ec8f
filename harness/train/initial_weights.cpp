#include "harness/train/initial_weights.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/tensors/source.h"
#include "core/text.h"
#include "harness/model/tensor_file.h"
#include "harness/train/checkpoint.h"
#include "nn/backbones/table.h"

namespace qcface::train {
namespace {

void require_same_backbone(const TensorSource& file, const TrainOptions& o) {
  const auto arch = file.metadata().find("arch");
  require(arch == file.metadata().end() || arch->second == o.arch,
          "--weight_path {}: holds a backbone {}, but --arch is {}: give the same", o.weight_path,
          printable(arch == file.metadata().end() ? "" : arch->second, 100), o.arch);
  const TensorView* bias = model::find_backbone_tensor(file, nn::backbone(o.arch).embedding);
  require(bias == nullptr || bias->elements() == o.embed_dims,
          "--weight_path {}: its embeddings have {} values, but --embed_dims is {}: give --embed_dims {}",
          o.weight_path, bias == nullptr ? 0 : bias->elements(), o.embed_dims,
          bias == nullptr ? 0 : bias->elements());
}

// "" where the file does not say, as bare weights and older checkpoints do not.
std::string class_list_of(const std::string& path) {
  try {
    return read_checkpoint_facts(path).state.class_list;
  } catch (const Error&) {
    return "";
  }
}

// Whether the class weights are taken; logs why not.
bool takes_class_weights(const TensorSource& file, const TrainOptions& o, const std::string& class_list,
                         const nn::Head& head) {
  const TensorView* weights = file.find("head.weight");
  const bool keep = o.head == ClassWeights::kKeep;
  if (o.head == ClassWeights::kNew) {
    log::info("--head new: backbone taken from {}, class weights new", o.weight_path);
    return false;
  }
  if (weights == nullptr) {
    require(!keep, "--head keep: {} has no head.weight; --head new starts new class weights", o.weight_path);
    log::info("{} has no head.weight: backbone taken, class weights new", o.weight_path);
    return false;
  }
  if (const std::int64_t classes = model::classes_of(*weights, head.width()); classes != head.classes()) {
    require(
        !keep,
        "--head keep: head.weight of {} has {} classes, this set {}; --head new (or auto) takes the backbone "
        "and starts new class weights",
        o.weight_path, classes, head.classes());
    log::info("head.weight of {} has {} classes, this set {}: backbone taken, class weights new",
              o.weight_path, classes, head.classes());
    return false;
  }
  if (const std::string known = class_list_of(o.weight_path); !known.empty() && known != class_list) {
    if (keep) {
      log::warn("--head keep: head.weight of {} was trained on {} other identities and is taken all the same",
                o.weight_path, head.classes());
      return true;
    }
    log::info(
        "head.weight of {} has {} classes as this set, but of other identities: backbone taken, class "
        "weights "
        "new (--head keep takes them all the same)",
        o.weight_path, head.classes());
    return false;
  }
  return true;
}

}  // namespace

void load_initial_weights(const TrainOptions& o, const std::string& class_list, nn::Network& network,
                          nn::Head& head) {
  std::error_code error;
  require(std::filesystem::exists(o.weight_path, error), "--weight_path {}: no such file", o.weight_path);
  const TensorSource file = open_tensors(o.weight_path);
  require_same_backbone(file, o);
  model::read_backbone(file, network.parameters());
  const bool with_head = takes_class_weights(file, o, class_list, head);
  if (with_head) {
    model::read_class_weights(file, head);
    for (const nn::Head::State& state : head.state()) {
      const TensorView* tensor = file.find(state.name);
      if (tensor == nullptr || tensor->elements() != static_cast<std::int64_t>(state.values.size())) continue;
      head.set_state({state.name, tensor->to_float()});
    }
    head.loaded();
  }
  for (const std::string& name : model::unexpected_tensors(file, network.parameters())) {
    log::warn("{}: tensor {} is not part of {} and was left out", o.weight_path, printable(name, 200),
              o.arch);
  }
  log::info("initial weights: {} ({})", o.weight_path,
            with_head ? "with head.weight" : "class weights start new");
}

}  // namespace qcface::train
