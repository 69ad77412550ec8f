// safetensors files (https://github.com/huggingface/safetensors#format): u64 header length, JSON header,
// data. Reading checks every offset against the file before any tensor is handed out. Writing goes through AtomicFile,
// tensor by tensor, without a second copy of the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/open_file.h"
#include "core/tensors/source.h"

namespace qcface {

/// A tensor to be written; data is borrowed until write_safetensors returns.
struct SafeTensorOut {
  using Take = std::function<void(std::span<const std::byte>)>;

  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;
  /// In place of data: calls take with the bytes, a block after the other.
  std::function<void(const Take& take)> stream = nullptr;
};

/// Whether a file's content is of this format, whole or cut off.
bool is_safetensors(std::span<const std::byte> bytes);
/// Throws Error naming the file and byte offset for anything malformed.
TensorSource read_safetensors(const MappedFile& file);

/// Writes atomically. metadata becomes "__metadata__".
void write_safetensors(const std::filesystem::path& path, std::span<const SafeTensorOut> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace qcface
