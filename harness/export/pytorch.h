// A .pth file as torch.save writes it (data-formats.md section 5): a zip archive of a pickle, protocol 2, and a file for each
// tensor. The pickle is {"epoch": int, "arch": text, "qcface": text, "state_dict": OrderedDict of tensors}, or with bare names
// the OrderedDict alone. torch.load takes it with weights_only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "harness/export/weights.h"

namespace qcface::exports {

struct PytorchOptions {
  bool bare = false;
  std::int64_t epoch = 0;  // from 1; 0: not known
  std::string own;         // model::kExportKey
};

/// Writes atomically. Throws Error naming file and tensor for NaN or infinity.
void write_pytorch(const std::filesystem::path& path, const Weights& weights, const PytorchOptions& options);

}  // namespace qcface::exports
