// A model in several safetensors files with an index, as large models are published (model.safetensors.index.json): data-formats.md
// section 5. The index is a JSON object whose "weight_map" says in which file each tensor is.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>

#include "core/tensors/source.h"

namespace qcface {

/// Whether a file's content looks like an index: JSON, not safetensors.
bool is_shard_index(std::span<const std::byte> bytes);
/// The index in a folder: model.safetensors.index.json, or the only file of that ending. Nothing where `path` is no folder;
/// throws Error naming a folder that holds none, or several.
std::optional<std::filesystem::path> find_shard_index(const std::filesystem::path& path);
/// Maps every file of the index. Throws Error naming the index or the file: files that are missing, names that leave the
/// folder, a tensor that is not where the index says or that the index does not know.
TensorSource read_shards(const std::filesystem::path& index);

}  // namespace qcface
