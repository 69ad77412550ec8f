#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/cli/command.h"
#include "harness/model/model.h"

namespace qcface::cli {
namespace {

bool is_float(SafeDtype dtype) {
  return dtype == SafeDtype::kF32 || dtype == SafeDtype::kF64 || dtype == SafeDtype::kF16 ||
         dtype == SafeDtype::kBF16;
}

// Range and root mean square of a tensor, or that it holds values that are not finite.
std::string statistics(const SafeTensorView& view) {
  if (!is_float(view.dtype) || view.elements() == 0) return "";
  const std::vector<float> values = view.to_float();
  const auto bad = std::count_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad > 0) return fmt::format("{} values are NaN or infinite", bad);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  double square = 0;
  for (const float v : values) square += static_cast<double>(v) * v;
  return fmt::format("min {:.4g} max {:.4g} rms {:.4g}", *low, *high,
                     std::sqrt(square / static_cast<double>(values.size())));
}

int inspect(const std::string& path, bool all) {
  const SafeTensorsFile file(path);
  std::size_t bytes = 0;
  for (const SafeTensorView& view : file.tensors()) bytes += view.bytes;
  fmt::print("{}: {} tensors, {:.1f} MiB\n", path, file.tensors().size(),
             static_cast<double>(bytes) / (1 << 20));
  for (const auto& [key, value] : file.metadata()) {
    const auto json = nlohmann::ordered_json::parse(value, nullptr, false);
    fmt::print("{}:{}{}\n", key, json.is_object() ? "\n" : " ", json.is_object() ? json.dump(2) : value);
  }
  try {
    const auto config = model::backbone_of(file, path);
    fmt::print("backbone: {}, embedding width {}\n", config.arch, config.embed_dim);
  } catch (const Error&) {
    fmt::print("backbone: none that is known\n");
  }
  std::size_t hidden = 0;
  for (const SafeTensorView& view : file.tensors()) {
    const bool detail = view.name.starts_with("momentum.") || view.name.ends_with("num_batches_tracked");
    if (detail && !all) {
      ++hidden;
      continue;
    }
    fmt::print("  {:<44} {:<5} [{}]  {}\n", view.name, name_of(view.dtype), fmt::join(view.shape, ", "),
               statistics(view));
  }
  if (hidden > 0) fmt::print("  and {} tensors of momentum and batch counters (--all shows them)\n", hidden);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& root, Commands& commands) {
  Command& command =
      add_command(root, commands, "inspect", "Show what a checkpoint or safetensors file holds");
  auto file = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  command.app->add_option("FILE", *file, "The file")->required();
  command.table->add_flag("--all", *all, "Also momentum and batch counters");
  command.run = [file, all] { return inspect(*file, *all); };
}

}  // namespace qcface::cli
