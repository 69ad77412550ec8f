#include "harness/model/adaface.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace qcface::model {
namespace {

constexpr std::string_view kStem = "input_layer.0.weight";
constexpr int kLayers = 4;

TensorView made_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<float> values,
                       MadeTensors& made) {
  const std::vector<float>& kept = made.emplace_back(std::move(values));
  return {std::move(name), Dtype::kF32, std::move(shape), reinterpret_cast<const std::byte*>(kept.data()),
          kept.size() * sizeof(float)};
}

// "<n>.rest" -> n; -1: no number.
int take_number(std::string_view& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.' || number < 0) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return number;
}

// Our name of part `n` of one of its sequences; empty: it has no such part.
std::string part_name(int n, std::string_view rest, const std::array<const char*, 6>& parts) {
  if (n < 0 || n >= static_cast<int>(parts.size()) || parts[static_cast<std::size_t>(n)] == nullptr)
    return "";
  return fmt::format("{}.{}", parts[static_cast<std::size_t>(n)], rest);
}

constexpr std::array<const char*, 6> kInput{"conv1", "bn1", "prelu"};
constexpr std::array<const char*, 6> kResidual{"bn1", "conv1", "bn2", "prelu", "conv2", "bn3"};
constexpr std::array<const char*, 6> kShortcut{"downsample.0", "downsample.1"};
constexpr std::array<const char*, 6> kOutput{"bn2", nullptr, nullptr, "fc", "features"};

struct Block {
  std::string name;  // "layer1.0."
  bool first = false, has_shortcut = false;
  std::int64_t width = 0;
};

// Blocks are numbered through all layers; a layer begins where the width changes.
std::vector<Block> find_blocks(const TensorSource& file, const std::string& prefix) {
  std::vector<Block> blocks;
  int layer = 0, in_layer = 0;
  for (;;) {
    const std::string name = fmt::format("{}body.{}.", prefix, blocks.size());
    const TensorView* const conv = file.find(name + "res_layer.1.weight");
    if (conv == nullptr) return blocks;
    require(conv->shape.size() == 4, "{}: tensor {} is no convolution", file.path(),
            printable(conv->name, 200));
    Block block;
    block.has_shortcut = file.find(name + "shortcut_layer.0.weight") != nullptr;
    block.first = blocks.empty() || block.has_shortcut;
    block.width = conv->shape[0];
    // Also the bound of the identity matrix that is made: nine such matrices lie in the file.
    const std::vector<std::int64_t> square{block.width, block.width, 3, 3};
    require(!block.first || block.has_shortcut || conv->shape == square,
            "{}: tensor {} has shape [{}], expected [C, C, 3, 3] in a block without shortcut weights",
            file.path(), printable(conv->name, 200), fmt::join(conv->shape, ", "));
    if (block.first) {
      ++layer;
      in_layer = 0;
    }
    require(layer <= kLayers, "{}: {}body.{} begins a fifth layer; AdaFace's IR-18, 34, 50 and 101 have four",
            file.path(), printable(prefix, 100), blocks.size());
    block.name = fmt::format("layer{}.{}.", layer, in_layer++);
    blocks.push_back(std::move(block));
  }
}

// Our name without "backbone."; empty: the network has no such part; nothing: it belongs to a block that is not whole.
std::optional<std::string> translated(std::string_view name, const std::vector<Block>& blocks) {
  const auto take = [&](std::string_view part) {
    if (!name.starts_with(part)) return false;
    name.remove_prefix(part.size());
    return true;
  };
  if (take("input_layer.")) {
    const int n = take_number(name);
    return part_name(n, name, kInput);
  }
  if (take("output_layer.")) {
    const int n = take_number(name);
    return part_name(n, name, kOutput);
  }
  if (!take("body.")) return "";
  const int n = take_number(name);
  if (n >= static_cast<int>(blocks.size())) return std::nullopt;
  const bool residual = take("res_layer.");
  if (n < 0 || (!residual && !take("shortcut_layer."))) return "";
  const int part = take_number(name);
  const std::string ours = part_name(part, name, residual ? kResidual : kShortcut);
  return ours.empty() ? "" : blocks[static_cast<std::size_t>(n)].name + ours;
}

void add_identity_shortcut(const Block& block, float bn_eps, MadeTensors& made,
                           std::vector<TensorView>& tensors) {
  const std::string name = "backbone." + block.name + "downsample.";
  const auto width = static_cast<std::size_t>(block.width);
  std::vector<float> identity(width * width);
  for (std::size_t c = 0; c < width; ++c) identity[c * width + c] = 1;
  const auto vector = [&](const char* what, float value) {
    tensors.push_back(made_tensor(name + what, {block.width}, std::vector<float>(width, value), made));
  };
  tensors.push_back(
      made_tensor(name + "0.weight", {block.width, block.width, 1, 1}, std::move(identity), made));
  vector("1.weight", 1);
  vector("1.bias", 0);
  vector("1.running_mean", 0);
  vector("1.running_var", 1 - bn_eps);
}

// Mean and deviation of lengths as one tensor, if the file has both.
void add_length_stats(const TensorSource& file, MadeTensors& made, std::vector<TensorView>& tensors) {
  const TensorView* const mean = file.find("head.batch_mean");
  const TensorView* const deviation = file.find("head.batch_std");
  if (mean == nullptr || deviation == nullptr || mean->elements() != 1 || deviation->elements() != 1) return;
  tensors.push_back(
      made_tensor("head.length_stats", {2}, {mean->to_float().front(), deviation->to_float().front()}, made));
}

bool is_network(std::string_view name) {
  return name.starts_with("input_layer.") || name.starts_with("body.") || name.starts_with("output_layer.");
}

}  // namespace

std::optional<std::string> adaface_prefix(const TensorSource& file) {
  for (const TensorView& view : file.tensors()) {
    if (view.name.ends_with(kStem)) return view.name.substr(0, view.name.size() - kStem.size());
  }
  return std::nullopt;
}

TranslatedTensors translate_adaface(const TensorSource& file, const std::string& prefix, float bn_eps,
                                    MadeTensors& made) {
  const std::vector<Block> blocks = find_blocks(file, prefix);
  const auto our_name = [&](const std::string& name) -> std::string {
    if (name == "head.kernel") return "head.weight";
    if (!name.starts_with(prefix) || !is_network(std::string_view(name).substr(prefix.size()))) return name;
    const std::optional<std::string> ours = translated(std::string_view(name).substr(prefix.size()), blocks);
    if (!ours) return name;
    require(!ours->empty(),
            "{}: tensor {} is no part of AdaFace's IR-18, 34, 50 or 101; networks with other blocks (IR-152, "
            "IR-SE) cannot be read",
            file.path(), printable(name, 200));
    return "backbone." + *ours;
  };
  TranslatedTensors result;
  std::vector<TensorView>& tensors = result.tensors;
  for (const TensorView& view : file.tensors()) {
    // Their t is another thing than that of the curricular heads, and always 0.
    if (view.name == "head.t" || view.name == "head.batch_mean" || view.name == "head.batch_std") continue;
    tensors.push_back(view);
    tensors.back().name = our_name(view.name);
  }
  for (const auto& [name, why] : file.refused()) result.refused.emplace(our_name(name), why);
  for (const Block& block : blocks) {
    if (block.first && !block.has_shortcut) add_identity_shortcut(block, bn_eps, made, tensors);
  }
  const TensorView* const mean = file.find(prefix + "output_layer.4.running_mean");
  if (mean != nullptr && mean->shape.size() == 1 && file.find(prefix + "output_layer.4.weight") == nullptr) {
    const auto width = static_cast<std::size_t>(mean->shape[0]);
    for (const auto& [what, value] : {std::pair{"weight", 1.f}, std::pair{"bias", 0.f}}) {
      tensors.push_back(made_tensor(std::string("backbone.features.") + what, mean->shape,
                                    std::vector<float>(width, value), made));
    }
  }
  add_length_stats(file, made, tensors);
  return result;
}

}  // namespace qcface::model
