#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "harness/cli/command.h"
#include "harness/console/usage.h"
#include "harness/export/export.h"
#include "harness/model/family.h"
#include "harness/model/model.h"

namespace qcface::cli {
namespace {

using exports::Format;

struct ExportFlags {
  std::string weights, out;
  std::optional<model::Family> family;
  std::optional<Format> format;
  bool no_head = false, bare = false, normalise = false, magnitude = false;
};

Format format_of(const ExportFlags& flags) {
  if (flags.format) return *flags.format;
  const std::string suffix = std::filesystem::path(flags.out).extension().string();
  if (suffix == ".pth" || suffix == ".pt") return Format::kPytorch;
  if (suffix == ".safetensors") return Format::kSafetensors;
  if (suffix == ".onnx") return Format::kOnnx;
  throw UsageError("--out " + printable(flags.out, 200) +
                   ": no format has this suffix; name it .pth, .safetensors or .onnx, or give --format");
}

void export_file(const ExportFlags& flags) {
  require_usage(!flags.weights.empty(), "--weights is missing: give a checkpoint");
  require_usage(!flags.out.empty(), "--out is missing: name the file to write, .pth, .safetensors or .onnx");
  const Format format = format_of(flags);
  const bool onnx = format == Format::kOnnx;
  require_usage(!(onnx && (flags.bare || flags.no_head)),
                "--bare and --no-head are for .pth and .safetensors: an ONNX file holds the backbone alone");
  require_usage(onnx || !(flags.normalise || flags.magnitude),
                "--normalise and --magnitude are for .onnx: other formats hold tensors and no computation");
  const model::ModelFile file = model::open_model(std::filesystem::path(flags.weights), flags.family);
  exports::export_model(file, flags.out,
                        {.format = format,
                         .head = !flags.no_head,
                         .bare = flags.bare,
                         .normalise = flags.normalise,
                         .magnitude = flags.magnitude});
}

}  // namespace

void add_export(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "export",
                                 "Write a checkpoint of any family for PyTorch, safetensors or ONNX Runtime");
  auto flags = std::make_shared<ExportFlags>();
  OptionTable& table = *command.table;
  table.add(
      "--weights", flags->weights,
      "Checkpoint of this program, or of QCFace, MagFace, InsightFace or AdaFace: safetensors, .pth, .ckpt");
  table.add_choice("--family", flags->family, model::kFamilyChoices,
                   "Whose batch-norm eps and picture preparation the weights need; auto: told from the file");
  table.add("--out", flags->out, "File to write; its suffix says the format");
  table.add_choice("--format", flags->format,
                   {{"auto", std::nullopt},
                    {"pth", Format::kPytorch},
                    {"safetensors", Format::kSafetensors},
                    {"onnx", Format::kOnnx}},
                   "Format; auto: by the suffix of --out");
  table.add_flag("--no-head", flags->no_head, "Leave head.weight out");
  table.add_flag(
      "--bare", flags->bare,
      "Names as InsightFace's, without \"backbone.\" and without head; a .pth also gets its batch-norm eps");
  table.add_flag("--normalise", flags->normalise,
                 "ONNX: the graph takes RGB pixels 0..255 and prepares them itself");
  table.add_flag("--magnitude", flags->magnitude, "ONNX: a second output, the length of each embedding");
  command.run = [flags] {
    export_file(*flags);
    return 0;
  };
}

}  // namespace qcface::cli
