#include "harness/model/merge_parts.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/tensors/safetensors.h"
#include "core/tensors/sharded.h"
#include "core/tensors/source.h"
#include "harness/model/class_rows.h"

namespace qcface::model {
namespace {

constexpr const char* kClassTensors[] = {"head.weight", "slot0.head.weight"};

}  // namespace

void merge_parts(const std::filesystem::path& folder, const std::filesystem::path& out) {
  const TensorSource parts = open_tensors(folder);
  const std::string first_part = class_part_prefix(kClassTensors[0]) + "0";
  const TensorView* const part = parts.find(first_part);
  require(part != nullptr && part->shape.size() == 2,
          "{}: has no tensor {}: expected the folder of a checkpoint that several processes wrote",
          folder.string(), first_part);
  const std::int64_t width = part->shape[1];
  std::vector<SafeTensorOut> tensors;
  for (const TensorView& view : parts.tensors()) {
    const bool of_rank =
        view.name.starts_with("rank.") ||
        std::any_of(std::begin(kClassTensors), std::end(kClassTensors),
                    [&](const char* name) { return view.name.starts_with(class_part_prefix(name)); });
    if (!of_rank) tensors.push_back({view.name, view.dtype, view.shape, view.data});
  }
  for (const char* name : kClassTensors) {
    const auto stored = ClassRows::find(parts, name, width);
    if (!stored) continue;
    tensors.push_back({name,
                       Dtype::kF32,
                       {width, stored->classes()},
                       nullptr,
                       [rows = *stored](const SafeTensorOut::Take& take) {
                         rows.stream_columns([&](std::span<float> lines) { take(std::as_bytes(lines)); });
                       }});
  }
  std::map<std::string, std::string> metadata = parts.metadata();
  metadata.erase(kShardCount);
  write_safetensors(out, tensors, metadata);
}

}  // namespace qcface::model
