// Files of PyTorch (.pth, .pt, .ckpt): the zip container and the stream of five pickles of versions before 1.6; data-formats.md
// section 5. What they hold is read by the restricted reader of pickles and never run.
#pragma once

#include <cstddef>
#include <span>

#include "core/open_file.h"
#include "core/tensors/source.h"

namespace qcface {

/// Whether a file's content is of the format, whole or cut off: a zip archive, or a pickle.
bool is_pytorch(std::span<const std::byte> bytes);

/// The tensors of the dict of tensors that the file holds (its names as they are there): the file itself, or what lies under
/// `state_dict`, `net_state_dict` and the like. InsightFace's resume files give `state_dict_backbone`, and
/// `state_dict_softmax_fc` with that name and a dot in front. Metadata: "pytorch.format" (zip, stream), "pytorch.dict" (the key,
/// keys with dots between them, empty for the file itself), and the numbers and short texts beside the dict under their keys
/// ("epoch", "arch"). Tensors are views of the mapped file where their elements lie in row-major order, and copies else; all
/// copies together are not larger than the file.
/// Throws Error naming the file and the byte. An entry of the dict that is no tensor, or an expanded one, is refused by name:
/// asking the source for it is the error.
TensorSource read_pytorch(const MappedFile& file);

/// Compares the storages of a zip container with their CRC-32; the stream has none. Throws Error naming the first that differs.
/// Returns how many there are.
std::size_t check_storages(const MappedFile& file);

}  // namespace qcface
