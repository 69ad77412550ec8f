// `qcface export`: a checkpoint of any family as a file of another program's.
#pragma once

#include <filesystem>
#include <string>

#include "harness/model/family.h"

namespace qcface::exports {

enum class Format { kPytorch, kSafetensors, kOnnx };

struct ExportOptions {
  Format format = Format::kPytorch;
  bool head = true;        // class weights; never in ONNX
  bool bare = false;       // InsightFace's names and, in .pth, its batch-norm eps; no head
  bool normalise = false;  // ONNX
  bool magnitude = false;  // ONNX
};

/// Writes atomically, and logs what is in the file and how its pictures are to be prepared. Throws Error naming the file: no
/// backbone that is known, NaN or infinity, an ONNX file of 2 GiB and more.
/// A .pth carries no eps that the published code would read, so running variances are shifted where the weights need
/// another than its own: variance + eps stays what it was, and with it every embedding.
void export_model(const model::ModelFile& file, const std::filesystem::path& out,
                  const ExportOptions& options);

}  // namespace qcface::exports
