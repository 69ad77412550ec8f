#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/open_file.h"
#include "core/tensors/pytorch.h"
#include "core/tensors/sharded.h"
#include "core/text.h"
#include "harness/cli/command.h"
#include "harness/console/interrupt.h"
#include "harness/data/lists/mat_file.h"
#include "harness/model/family.h"

namespace qcface::cli {
namespace {

// What is printed of a file that somebody else made; --all lifts the limits on numbers of lines.
constexpr std::size_t kMostTensors = 1000;
constexpr std::size_t kMostLines = 200;  // of a metadata value
constexpr std::size_t kMostKeys = 100;   // of the metadata
constexpr std::size_t kLongestName = 200, kLongestLine = 1000;

bool is_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF64 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

// Range and root mean square of a tensor, or that it holds values that are not finite. A block at a time: class weights
// may be larger than memory.
std::string statistics(const TensorView& view) {
  const std::int64_t count = view.elements();
  if (!is_float(view.dtype) || count == 0) return "";
  std::vector<float> block(static_cast<std::size_t>(std::min<std::int64_t>(count, 1 << 20)));
  std::int64_t bad = 0;
  float low = 0, high = 0;
  double square = 0;
  bool any = false;
  for (std::int64_t first = 0; first < count;) {
    stop_if_interrupted();
    const auto size = std::min<std::int64_t>(count - first, static_cast<std::int64_t>(block.size()));
    const std::span<float> values(block.data(), static_cast<std::size_t>(size));
    view.to_float(first, values);
    for (const float v : values) {
      if (!std::isfinite(v)) {
        ++bad;
        continue;
      }
      low = any ? std::min(low, v) : v;
      high = any ? std::max(high, v) : v;
      any = true;
      square += static_cast<double>(v) * v;
    }
    first += size;
  }
  if (bad > 0) return fmt::format("{} values are NaN or infinite", bad);
  return fmt::format("min {:.4g} max {:.4g} rms {:.4g}", low, high,
                     std::sqrt(square / static_cast<double>(count)));
}

void print_metadata(const std::string& key, const std::string& value, std::size_t most_lines) {
  const auto json = try_parse_json<nlohmann::ordered_json>(value);
  const bool object = json && json->is_object();
  const std::string text = object ? json->dump(2) : value;
  fmt::print("{}:{}", printable(key, kLongestName), object ? "\n" : " ");
  std::string_view rest = text;
  for (std::size_t line = 0; line < most_lines; ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    fmt::print("{}\n", printable(rest.substr(0, end), kLongestLine));
    if (end == rest.size()) return;
    rest.remove_prefix(end + 1);
  }
  fmt::print("  and {} more bytes (--all shows them)\n", rest.size());
}

// What kind of file it is, and where in it the tensors lay.
std::string format_of(const TensorSource& file) {
  const auto fact = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? nullptr : &found->second;
  };
  if (const std::string* const shards = fact(kShardCount))
    return "safetensors, " + *shards + " files of one index";
  const std::string* const format = fact("pytorch.format");
  const std::string* const dict = fact("pytorch.dict");
  if (format == nullptr || dict == nullptr) return "safetensors";
  const char* const container = *format == "zip" ? "zip container" : "stream, as versions before 1.6 wrote";
  return fmt::format(
      "PyTorch ({}), {}", container,
      dict->empty() ? "tensors in the file itself" : "tensors under " + printable(*dict, kLongestName));
}

int inspect_mat(const std::string& path) {
  const auto variables = data::list_mat_variables(path);
  fmt::print("{}: MAT-file, {} variables\n", path, variables.size());
  for (const data::MatVariable& variable : variables)
    fmt::print("  {:<44} {:<8} [{}]\n", printable(variable.name, kLongestName), variable.kind,
               fmt::join(variable.dims, ", "));
  return 0;
}

int inspect(const std::string& path, bool all, bool checksums) {
  if (data::is_mat_file(path)) return inspect_mat(path);
  const TensorSource file = open_tensors(path);
  std::optional<std::size_t> checked;
  if (checksums) {
    checked = check_storages(map_file(file.path()));
    require(*checked > 0, "--checksums: {} has none; only PyTorch's zip containers keep them", file.path());
  }
  std::size_t bytes = 0;
  for (const TensorView& view : file.tensors()) bytes += view.bytes;
  fmt::print("{}: {} tensors, {:.1f} MiB\n", path, file.tensors().size(),
             static_cast<double>(bytes) / (1 << 20));
  fmt::print("format: {}\n", format_of(file));
  if (checked) fmt::print("checksums: those of all {} storages are right\n", *checked);
  std::size_t keys = 0;
  for (const auto& [key, value] : file.metadata()) {
    if (key == "pytorch.format" || key == "pytorch.dict" || key == kShardCount) continue;
    if (!all && ++keys > kMostKeys) {
      fmt::print("and {} more keys of metadata (--all shows them)\n", file.metadata().size() - kMostKeys);
      break;
    }
    print_metadata(key, value, all ? value.size() + 1 : kMostLines);
  }
  fmt::print("{}", model::describe_family(file, all ? SIZE_MAX : kMostKeys));
  std::size_t hidden = 0, shown = 0, more = 0;
  for (const TensorView& view : file.tensors()) {
    const bool detail = view.name.starts_with("slot0.") || view.name.starts_with("momentum.") ||
                        view.name.ends_with("num_batches_tracked");
    if (detail && !all) {
      ++hidden;
    } else if (shown == kMostTensors && !all) {
      ++more;
    } else {
      ++shown;
      fmt::print("  {:<44} {:<5} [{}]  {}\n", printable(view.name, kLongestName), name_of(view.dtype),
                 fmt::join(view.shape, ", "), statistics(view));
    }
  }
  std::size_t refused = 0;
  for (const auto& [name, problem] : file.refused()) {
    if (!all && ++refused > kMostKeys) {
      fmt::print("  and {} more refused entries (--all shows them)\n", file.refused().size() - kMostKeys);
      break;
    }
    fmt::print("  {:<44} refused: it {}\n", printable(name, kLongestName), problem);
  }
  if (more > 0) fmt::print("  and {} more tensors (--all shows them)\n", more);
  if (hidden > 0) fmt::print("  and {} tensors of momentum and batch counters (--all shows them)\n", hidden);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& root, Commands& commands) {
  Command& command = add_command(
      root, commands, "inspect",
      "Show what a file holds: the tensors of a checkpoint, of safetensors or of PyTorch's .pth, .pt and "
      ".ckpt, or the variables of a MAT-file");
  auto file = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  auto checksums = std::make_shared<bool>(false);
  command.app->add_option("FILE", *file, "The file, or the folder of a model in several safetensors files")
      ->required();
  command.table->add_flag("--all", *all,
                          "Also momentum and batch counters, and however many lines there are");
  command.table->add_flag("--checksums", *checksums,
                          "Compare the tensors of a PyTorch zip container with their checksums");
  command.run = [file, all, checksums] { return inspect(*file, *all, *checksums); };
}

}  // namespace qcface::cli
