#include "harness/train/initial_weights.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/model/class_rows.h"
#include "harness/model/family.h"
#include "harness/model/model.h"
#include "harness/model/tensor_file.h"
#include "harness/train/checkpoint.h"
#include "harness/train/checkpoint_files.h"
#include "harness/train/class_list.h"

namespace qcface::train {
namespace {

void require_same_backbone(const TensorSource& file, const TrainOptions& o) {
  const auto [backbone, embed_dim] = model::backbone_of(file);
  require(backbone.name == o.arch, "--weight_path {}: holds a backbone {}, but --arch is {}: give the same",
          o.weight_path, backbone.name, o.arch);
  require(embed_dim == o.embed_dims,
          "--weight_path {}: its embeddings have {} values, but --embed_dims is {}: give --embed_dims {}",
          o.weight_path, embed_dim, o.embed_dims, embed_dim);
}

// Says which program the weights are of. Where the user chose another eps or preparation than theirs, that is a warning.
void announce_origin(const model::ModelFile& file, const TrainOptions& o) {
  log::info("--weight_path {}: {}", o.weight_path, file.describe());
  const data::Preparation &theirs = file.preparation, &now = o.preparation;
  if (theirs.mean != now.mean || theirs.std != now.std || theirs.bgr != now.bgr) {
    log::warn("--weight_path {}: its weights were trained with {}, this run takes {}", o.weight_path,
              model::describe(theirs), model::describe(now));
  }
  if (file.bn_eps != o.bn_eps) {
    log::warn("--weight_path {}: its weights were trained with batch-norm eps {}, this run takes {}",
              o.weight_path, file.bn_eps, o.bn_eps);
  }
}

// Empty where the file does not say, as other programs' and older checkpoints do not.
std::string class_list_of(const std::string& path) {
  try {
    return read_checkpoint_facts(path).state.class_list;
  } catch (const Error&) {
    return "";
  }
}

enum class Taken { kNothing, kAll, kByName };

// Which class weights are taken; logs why not all.
Taken settle_class_weights(const model::ModelFile& file, const TrainOptions& o, const std::string& known,
                           bool names_tell, const Identities& identities, const nn::Head& head) {
  const bool keep = o.head == ClassWeights::kKeep;
  if (o.head == ClassWeights::kNew) {
    log::info("--head new: backbone taken from {}, class weights new", o.weight_path);
    return Taken::kNothing;
  }
  const auto weights =
      model::ClassRows::find(file.tensors, "head.weight", head.width(), file.classes_are_rows);
  if (!weights) {
    require(!keep, "--head keep: {} has no head.weight; --head new starts new class weights", o.weight_path);
    log::info("{} has no head.weight: backbone taken, class weights new", o.weight_path);
    return Taken::kNothing;
  }
  const std::int64_t classes = weights->classes();
  if (!keep && names_tell && known != identities.hash && classes > 0) return Taken::kByName;
  if (classes != head.classes()) {
    require(
        !keep,
        "--head keep: head.weight of {} has {} classes, this set {}; --head new (or auto) takes the backbone "
        "and starts new class weights",
        o.weight_path, classes, head.classes());
    log::info("head.weight of {} has {} classes, this set {}: backbone taken, class weights new",
              o.weight_path, classes, head.classes());
    return Taken::kNothing;
  }
  if (!known.empty() && known != identities.hash) {
    if (keep) {
      log::warn("--head keep: head.weight of {} was trained on {} other identities and is taken all the same",
                o.weight_path, head.classes());
      return Taken::kAll;
    }
    log::info(
        "head.weight of {} has {} classes as this set, but of other identities: backbone taken, class "
        "weights "
        "new (--head keep takes them all the same)",
        o.weight_path, head.classes());
    return Taken::kNothing;
  }
  if (!known.empty() && !identities.named) {
    log::info(
        "head.weight of {} has {} classes as this set, and both know them by number alone: they are taken to "
        "be "
        "the same (--head new starts new ones)",
        o.weight_path, classes);
  }
  if (known.empty()) {
    log::info(
        "head.weight of {} has {} classes as this set, and the file does not say whose: they are taken to be "
        "this "
        "set's, in its order (--head new starts new ones)",
        o.weight_path, classes);
  }
  return Taken::kAll;
}

// Label of a name; -1 where none has it, or several: such a name stands for nobody.
class LabelsByName {
 public:
  explicit LabelsByName(const data::ClassNames& names) : index_(names), several_(names.size()) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto label = static_cast<std::int64_t>(i);
      if (const std::int64_t first = index_.add(label); first != label)
        several_[static_cast<std::size_t>(first)] = true;
    }
  }
  std::int64_t operator()(std::string_view name) const {
    const std::int64_t label = index_.find(name);
    return label < 0 || several_[static_cast<std::size_t>(label)] ? -1 : label;
  }

 private:
  data::ClassIndex index_;
  std::vector<bool> several_;
};

// Replaces the rows of the identities that both lists name, those of this rank. Returns how many there are on all ranks.
std::int64_t take_by_name(const TensorSource& file, const data::ClassNames& before,
                          const data::ClassNames& now, nn::Head& head) {
  const auto stored = model::ClassRows::find(file, "head.weight", head.width());
  require(stored && stored->classes() == static_cast<std::int64_t>(before.size()),
          "{}: head.weight does not have the {} classes that its list of classes names", file.path(),
          before.size());
  const LabelsByName old_labels(before), new_labels(now);
  const auto old_label = [&](std::string_view name) { return new_labels(name) < 0 ? -1 : old_labels(name); };
  const auto width = static_cast<std::size_t>(head.width());
  const Share own = head.own_classes();
  std::vector<float> rows;
  for (std::int64_t first = 0; first < own.count; first += model::kClassRowsAtOnce) {
    const auto count = static_cast<std::size_t>(std::min(model::kClassRowsAtOnce, own.count - first));
    rows.resize(count * width);
    head.copy_out(nn::TensorRole::kValue, first, rows);
    const auto begin = static_cast<std::size_t>(own.first + first);
    std::size_t row = 0;
    now.for_each(
        [&](std::string_view name) {
          const std::int64_t old = old_label(name);
          if (old >= 0) stored->copy(old, std::span(rows).subspan(row * width, width));
          ++row;
        },
        begin, begin + count);
    head.copy_in(nn::TensorRole::kValue, first, rows);
  }
  std::int64_t taken = 0;
  now.for_each([&](std::string_view name) { taken += old_label(name) >= 0 ? 1 : 0; });
  return taken;
}

void take_state(const TensorSource& file, nn::Head& head) {
  for (const nn::Head::State& state : head.state()) {
    const TensorView* tensor = file.find(state.name);
    if (tensor == nullptr || tensor->elements() != static_cast<std::int64_t>(state.values.size())) continue;
    head.set_state({state.name, tensor->to_float()});
  }
  head.loaded();
}

}  // namespace

void load_initial_weights(const TrainOptions& o, const Identities& identities, nn::Network& network,
                          nn::Head& head) {
  const model::ModelFile file = model::open_model(std::filesystem::path(o.weight_path), o.family, o.bn_eps);
  announce_origin(file, o);
  require_same_backbone(file.tensors, o);
  model::read_backbone(file.tensors, network.parameters());
  const std::string known = class_list_of(o.weight_path);
  const auto before = known.empty() ? std::nullopt : read_class_list(run_of_checkpoint(o.weight_path), known);
  const bool names_tell =
      before && identities.named && !before->are_numbers();  // numbers say nothing about who it is
  std::string head_words = "class weights start new";
  switch (settle_class_weights(file, o, known, names_tell, identities, head)) {
    case Taken::kNothing:
      break;
    case Taken::kAll:
      model::read_class_weights(file.tensors, head, nn::TensorRole::kValue, file.classes_are_rows);
      take_state(file.tensors, head);
      head_words = "with head.weight";
      break;
    case Taken::kByName: {
      const std::int64_t taken = take_by_name(file.tensors, *before, identities.names, head);
      if (taken > 0) take_state(file.tensors, head);
      head_words = fmt::format(
          "class weights of {} identities that both sets have are taken over by name, those of {} "
          "others start new; {} of the file's are left behind",
          taken, head.classes() - taken, static_cast<std::int64_t>(before->size()) - taken);
      break;
    }
  }
  model::warn_of_unexpected(file.tensors, network.parameters().tensors(), o.arch);
  log::info("initial weights: {} ({})", o.weight_path, head_words);
}

}  // namespace qcface::train
